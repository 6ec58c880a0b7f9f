-- attempts
select starts_at as time, sum(attempts) as "attempts" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- plays
select starts_at as time, sum(plays) as "plays" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- viewers
select time, distinct_count as "viewers" from (select time, round(16384.0 * 16384 / (2 * ln(cast(2 as double precision))) / (16384 * (empty + (select sum(case when empty > 0 and power(2, k) * ln(nullif(empty, 0)) > -700 then power(empty, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k))) + ranks)) as distinct_count from (select time, 1 - cast(count(*) as double precision) / 16384 as empty, sum(power(cast(2 as double precision), -rank)) as ranks from (select starts_at as time, r >> 6 as register, max(r & 63) as rank from quality_hour, unnest(viewers) as u(r) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2) as registers group by 1) as counted) as d order by 1;

-- watch_hours
select starts_at as time, sum(watched_ms) / 3600000.0 as "watch_hours" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- play_hours
select starts_at as time, sum(play_ms) / 3600000.0 as "play_hours" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- ebvs_ratio
select starts_at as time, cast(sum(exits_before_start) as double precision) / nullif(sum(attempts), 0) as "ebvs_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- start_failure_ratio
select starts_at as time, cast(sum(start_failures_technical) as double precision) / nullif(sum(attempts), 0) as "start_failure_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- start_failure_business_ratio
select starts_at as time, cast(sum(start_failures_business) as double precision) / nullif(sum(attempts), 0) as "start_failure_business_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- play_failure_ratio
select starts_at as time, cast(sum(play_failures_technical) as double precision) / nullif(sum(plays), 0) as "play_failure_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- play_failure_business_ratio
select starts_at as time, cast(sum(play_failures_business) as double precision) / nullif(sum(plays), 0) as "play_failure_business_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- failure_ratio
select starts_at as time, cast(sum(start_failures_technical) + sum(play_failures_technical) as double precision) / nullif(sum(attempts), 0) as "failure_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- failure_all_ratio
select starts_at as time, cast(sum(start_failures_technical) + sum(play_failures_technical) + sum(start_failures_business) + sum(play_failures_business) as double precision) / nullif(sum(attempts), 0) as "failure_all_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- rebuffer_ratio
select starts_at as time, cast(sum(stall_ms) as double precision) / nullif(sum(watched_ms), 0) as "rebuffer_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- connection_rebuffer_ratio
select starts_at as time, cast(sum(stall_ms) as double precision) / nullif(sum(play_ms) + sum(ad_play_ms) + sum(stall_ms), 0) as "connection_rebuffer_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- stalls_per_minute
select starts_at as time, 60000 * cast(sum(stalls) as double precision) / nullif(sum(watched_ms), 0) as "stalls_per_minute" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- stalls_per_session
select starts_at as time, cast(sum(stalls) as double precision) / nullif(sum(attempts), 0) as "stalls_per_session" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- stalled_play_ratio
select starts_at as time, cast(sum(stalled_plays) as double precision) / nullif(sum(plays), 0) as "stalled_play_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- startup_avg_ms
select starts_at as time, cast(sum(startup_ms) as double precision) / nullif(sum(startups), 0) as "startup_avg_ms" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- startup_p50_ms
with edges as (select array[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3150, 3550, 4000, 4500, 5000, 5600, 6300, 7100, 8000, 9000, 10000, 11200, 12500, 14000, 16000, 18000, 20000, 22400, 25000, 28000, 31500, 35500, 40000, 45000, 50000, 56000, 63000, 71000, 80000, 90000, 100000] as ms),
counts as (select starts_at as time, i, sum(startup_histogram[i]) as n from quality_hour, generate_series(1, 62) as b(i) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2),
running as (
  select time, i, n, sum(n) over (partition by time order by i) as running,
    sum(n) over (partition by time) as total from counts
),
found as (
  select time, i, cast(0.5 * total - (running - n) as double precision) / n as f from running
  where n > 0 and running >= 0.5 * total and running - n < 0.5 * total
)
select time, case when i = 1 then floor(100 * f + 0.5) when i = 62 then 100000
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "startup_p50_ms"
from found, edges order by 1;

-- startup_p95_ms
with edges as (select array[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3150, 3550, 4000, 4500, 5000, 5600, 6300, 7100, 8000, 9000, 10000, 11200, 12500, 14000, 16000, 18000, 20000, 22400, 25000, 28000, 31500, 35500, 40000, 45000, 50000, 56000, 63000, 71000, 80000, 90000, 100000] as ms),
counts as (select starts_at as time, i, sum(startup_histogram[i]) as n from quality_hour, generate_series(1, 62) as b(i) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2),
running as (
  select time, i, n, sum(n) over (partition by time order by i) as running,
    sum(n) over (partition by time) as total from counts
),
found as (
  select time, i, cast(0.95 * total - (running - n) as double precision) / n as f from running
  where n > 0 and running >= 0.95 * total and running - n < 0.95 * total
)
select time, case when i = 1 then floor(100 * f + 0.5) when i = 62 then 100000
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "startup_p95_ms"
from found, edges order by 1;

-- startup_p99_ms
with edges as (select array[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3150, 3550, 4000, 4500, 5000, 5600, 6300, 7100, 8000, 9000, 10000, 11200, 12500, 14000, 16000, 18000, 20000, 22400, 25000, 28000, 31500, 35500, 40000, 45000, 50000, 56000, 63000, 71000, 80000, 90000, 100000] as ms),
counts as (select starts_at as time, i, sum(startup_histogram[i]) as n from quality_hour, generate_series(1, 62) as b(i) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2),
running as (
  select time, i, n, sum(n) over (partition by time order by i) as running,
    sum(n) over (partition by time) as total from counts
),
found as (
  select time, i, cast(0.99 * total - (running - n) as double precision) / n as f from running
  where n > 0 and running >= 0.99 * total and running - n < 0.99 * total
)
select time, case when i = 1 then floor(100 * f + 0.5) when i = 62 then 100000
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "startup_p99_ms"
from found, edges order by 1;

-- exit_wait_p50_ms
with edges as (select array[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3150, 3550, 4000, 4500, 5000, 5600, 6300, 7100, 8000, 9000, 10000, 11200, 12500, 14000, 16000, 18000, 20000, 22400, 25000, 28000, 31500, 35500, 40000, 45000, 50000, 56000, 63000, 71000, 80000, 90000, 100000] as ms),
counts as (select starts_at as time, i, sum(exit_wait_histogram[i]) as n from quality_hour, generate_series(1, 62) as b(i) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2),
running as (
  select time, i, n, sum(n) over (partition by time order by i) as running,
    sum(n) over (partition by time) as total from counts
),
found as (
  select time, i, cast(0.5 * total - (running - n) as double precision) / n as f from running
  where n > 0 and running >= 0.5 * total and running - n < 0.5 * total
)
select time, case when i = 1 then floor(100 * f + 0.5) when i = 62 then 100000
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "exit_wait_p50_ms"
from found, edges order by 1;

-- content_startup_avg_ms
select starts_at as time, cast(sum(content_startup_ms) as double precision) / nullif(sum(content_startups), 0) as "content_startup_avg_ms" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- bitrate_avg_kbps
select starts_at as time, cast(sum(bitrate_kbps_ms) as double precision) / nullif(sum(bitrate_known_ms), 0) as "bitrate_avg_kbps" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- upscale_avg
select starts_at as time, cast(sum(upscale_ms) as double precision) / nullif(sum(size_known_ms), 0) as "upscale_avg" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- downscale_avg
select starts_at as time, cast(sum(downscale_ms) as double precision) / nullif(sum(size_known_ms), 0) as "downscale_avg" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- dropped_frames_per_minute
select starts_at as time, 60000 * cast(sum(dropped_frames) as double precision) / nullif(sum(play_ms) + sum(ad_play_ms), 0) as "dropped_frames_per_minute" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- switches_per_minute
select starts_at as time, 60000 * cast(sum(switches_up) + sum(switches_down) as double precision) / nullif(sum(play_ms) + sum(ad_play_ms), 0) as "switches_per_minute" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- seek_wait_avg_ms
select starts_at as time, cast(sum(seek_ms) as double precision) / nullif(sum(seeks), 0) as "seek_wait_avg_ms" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- exit_ratio
select starts_at as time, cast(sum(plays_exited) as double precision) / nullif(sum(plays), 0) as "exit_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- timeout_ratio
select starts_at as time, cast(sum(plays_timed_out) as double precision) / nullif(sum(plays), 0) as "timeout_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- stall_exit_ratio
select starts_at as time, cast(sum(stall_exits) as double precision) / nullif(sum(plays), 0) as "stall_exit_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- completion_ratio
select starts_at as time, cast(sum(completions) as double precision) / nullif(sum(measured_plays), 0) as "completion_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- engagement_ratio
select starts_at as time, cast(sum(content_seen_ms) as double precision) / nullif(sum(content_ms), 0) as "engagement_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- experience_score
select starts_at as time, cast(sum(experience_score_sum) as double precision) / nullif(sum(experience_score_count), 0) as "experience_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- success_score
select starts_at as time, cast(sum(success_score_sum) as double precision) / nullif(sum(success_score_count), 0) as "success_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- picture_score
select starts_at as time, cast(sum(picture_score_sum) as double precision) / nullif(sum(picture_score_count), 0) as "picture_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- stalling_score
select starts_at as time, cast(sum(stalling_score_sum) as double precision) / nullif(sum(stalling_score_count), 0) as "stalling_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- start_score
select starts_at as time, cast(sum(start_score_sum) as double precision) / nullif(sum(start_score_count), 0) as "start_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- experience_score_v1
select starts_at as time, cast(sum(experience_score_v1_sum) as double precision) / nullif(sum(experience_score_v1_count), 0) as "experience_score_v1" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- startup_score
select starts_at as time, cast(sum(startup_score_sum) as double precision) / nullif(sum(startup_score_count), 0) as "startup_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- smoothness_score
select starts_at as time, cast(sum(smoothness_score_sum) as double precision) / nullif(sum(smoothness_score_count), 0) as "smoothness_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- quality_score
select starts_at as time, cast(sum(quality_score_sum) as double precision) / nullif(sum(quality_score_count), 0) as "quality_score" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- good_session_ratio
select starts_at as time, cast(sum(good_sessions) as double precision) / nullif(sum(judged_sessions), 0) as "good_session_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- startup_unknown_ratio
select starts_at as time, cast(sum(startups_unknown) as double precision) / nullif(sum(plays), 0) as "startup_unknown_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- lost_event_ratio
select starts_at as time, cast(sum(lost_events) as double precision) / nullif(sum(lost_events) + sum(events), 0) as "lost_event_ratio" from quality_hour where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- live_concurrent_viewers
select time, distinct_count as "live_concurrent_viewers" from (select time, round(16384.0 * 16384 / (2 * ln(cast(2 as double precision))) / (16384 * (empty + (select sum(case when empty > 0 and power(2, k) * ln(nullif(empty, 0)) > -700 then power(empty, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k))) + ranks)) as distinct_count from (select time, 1 - cast(count(*) as double precision) / 16384 as empty, sum(power(cast(2 as double precision), -rank)) as ranks from (select w.starts_at as time, r >> 6 as register, max(r & 63) as rank from (select distinct starts_at from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date) as w join live_window as b on b.grouping = '' and b.starts_at between w.starts_at - interval '50 seconds' and w.starts_at and b.day between $__timeFrom()::timestamptz::date - 1 and $__timeTo()::timestamptz::date, unnest(b.live_concurrent_sessions) as u(r) group by 1, 2) as registers group by 1) as counted) as d order by 1;

-- live_start_attempts
select time, distinct_count as "live_start_attempts" from (select time, round(16384.0 * 16384 / (2 * ln(cast(2 as double precision))) / (16384 * (empty + (select sum(case when empty > 0 and power(2, k) * ln(nullif(empty, 0)) > -700 then power(empty, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k))) + ranks)) as distinct_count from (select time, 1 - cast(count(*) as double precision) / 16384 as empty, sum(power(cast(2 as double precision), -rank)) as ranks from (select starts_at as time, r >> 6 as register, max(r & 63) as rank from live_window, unnest(live_attempting_sessions) as u(r) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2) as registers group by 1) as counted) as d order by 1;

-- live_start_failure_ratio
select a.time, cast(above as double precision) / nullif(distinct_count, 0) as "live_start_failure_ratio" from (select starts_at as time, sum(live_start_failures) as above from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1) as a left join (select time, round(16384.0 * 16384 / (2 * ln(cast(2 as double precision))) / (16384 * (empty + (select sum(case when empty > 0 and power(2, k) * ln(nullif(empty, 0)) > -700 then power(empty, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k))) + ranks)) as distinct_count from (select time, 1 - cast(count(*) as double precision) / 16384 as empty, sum(power(cast(2 as double precision), -rank)) as ranks from (select starts_at as time, r >> 6 as register, max(r & 63) as rank from live_window, unnest(live_attempting_sessions) as u(r) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2) as registers group by 1) as counted) as d on a.time = d.time order by 1;

-- live_ebvs_ratio
select a.time, cast(above as double precision) / nullif(distinct_count, 0) as "live_ebvs_ratio" from (select starts_at as time, sum(live_exits_before_start) as above from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1) as a left join (select time, round(16384.0 * 16384 / (2 * ln(cast(2 as double precision))) / (16384 * (empty + (select sum(case when empty > 0 and power(2, k) * ln(nullif(empty, 0)) > -700 then power(empty, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k))) + ranks)) as distinct_count from (select time, 1 - cast(count(*) as double precision) / 16384 as empty, sum(power(cast(2 as double precision), -rank)) as ranks from (select starts_at as time, r >> 6 as register, max(r & 63) as rank from live_window, unnest(live_attempting_sessions) as u(r) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2) as registers group by 1) as counted) as d on a.time = d.time order by 1;

-- live_play_failure_ratio
select a.time, cast(above as double precision) / nullif(distinct_count, 0) as "live_play_failure_ratio" from (select starts_at as time, sum(live_play_failures) as above from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1) as a left join (select time, round(16384.0 * 16384 / (2 * ln(cast(2 as double precision))) / (16384 * (empty + (select sum(case when empty > 0 and power(2, k) * ln(nullif(empty, 0)) > -700 then power(empty, power(2, k)) * power(2, k - 1) else 0 end) from generate_series(1, 60) as g(k))) + ranks)) as distinct_count from (select time, 1 - cast(count(*) as double precision) / 16384 as empty, sum(power(cast(2 as double precision), -rank)) as ranks from (select w.starts_at as time, r >> 6 as register, max(r & 63) as rank from (select distinct starts_at from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date) as w join live_window as b on b.grouping = '' and b.starts_at between w.starts_at - interval '50 seconds' and w.starts_at and b.day between $__timeFrom()::timestamptz::date - 1 and $__timeTo()::timestamptz::date, unnest(b.live_concurrent_sessions) as u(r) group by 1, 2) as registers group by 1) as counted) as d on a.time = d.time order by 1;

-- live_rebuffer_ratio
select starts_at as time, cast(sum(live_stall_ms) as double precision) / nullif(sum(live_watched_ms), 0) as "live_rebuffer_ratio" from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- live_stalls_per_minute
select starts_at as time, 60000 * cast(sum(live_stalls) as double precision) / nullif(sum(live_watched_ms), 0) as "live_stalls_per_minute" from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- live_bitrate_avg_kbps
select starts_at as time, cast(sum(live_bitrate_kbps_ms) as double precision) / nullif(sum(live_bitrate_known_ms), 0) as "live_bitrate_avg_kbps" from live_window where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1 order by 1;

-- live_startup_p50_ms
with edges as (select array[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3150, 3550, 4000, 4500, 5000, 5600, 6300, 7100, 8000, 9000, 10000, 11200, 12500, 14000, 16000, 18000, 20000, 22400, 25000, 28000, 31500, 35500, 40000, 45000, 50000, 56000, 63000, 71000, 80000, 90000, 100000] as ms),
counts as (select starts_at as time, i, sum(live_startup_histogram[i]) as n from live_window, generate_series(1, 62) as b(i) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2),
running as (
  select time, i, n, sum(n) over (partition by time order by i) as running,
    sum(n) over (partition by time) as total from counts
),
found as (
  select time, i, cast(0.5 * total - (running - n) as double precision) / n as f from running
  where n > 0 and running >= 0.5 * total and running - n < 0.5 * total
)
select time, case when i = 1 then floor(100 * f + 0.5) when i = 62 then 100000
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "live_startup_p50_ms"
from found, edges order by 1;

-- live_startup_p95_ms
with edges as (select array[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500, 2800, 3150, 3550, 4000, 4500, 5000, 5600, 6300, 7100, 8000, 9000, 10000, 11200, 12500, 14000, 16000, 18000, 20000, 22400, 25000, 28000, 31500, 35500, 40000, 45000, 50000, 56000, 63000, 71000, 80000, 90000, 100000] as ms),
counts as (select starts_at as time, i, sum(live_startup_histogram[i]) as n from live_window, generate_series(1, 62) as b(i) where grouping = '' and $__timeFilter(starts_at) and day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date group by 1, 2),
running as (
  select time, i, n, sum(n) over (partition by time order by i) as running,
    sum(n) over (partition by time) as total from counts
),
found as (
  select time, i, cast(0.95 * total - (running - n) as double precision) / n as f from running
  where n > 0 and running >= 0.95 * total and running - n < 0.95 * total
)
select time, case when i = 1 then floor(100 * f + 0.5) when i = 62 then 100000
  else floor(ms[i - 1] * power(cast(ms[i] as double precision) / ms[i - 1], f) + 0.5) end as "live_startup_p95_ms"
from found, edges order by 1;
