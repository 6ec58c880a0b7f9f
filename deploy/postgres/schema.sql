-- Every table of Postgres, made from src/qoescope/catalog by `make golden`; run it as the owner.
create schema if not exists qoescope;
grant usage on schema qoescope to qoescope_writer, qoescope_reader;

create or replace function qoescope.added(a integer[], b integer[]) returns integer[]
  language sql immutable parallel safe as
  $$ select array(select coalesce(x, 0) + coalesce(y, 0) from unnest(a, b) with ordinality as u(x, y, i) order by i) $$;
create or replace function qoescope.merged(a integer[], b integer[]) returns integer[]
  language sql immutable parallel safe as
  $$ select array(select distinct on (r >> 6) r from unnest(a || b) as r order by r >> 6, r desc) $$;
create or replace function qoescope.make_partition(parent text, day date) returns void
  language plpgsql security definer set search_path = qoescope, pg_temp as $$
declare part text := parent || to_char(day, '"_"YYYYMMDD');
begin
  if to_regclass('qoescope.' || quote_ident(part)) is null then
    perform pg_advisory_xact_lock(hashtext(part));
    if not exists (select from pg_class where relname = part and relnamespace = 'qoescope'::regnamespace) then
      execute format('create table qoescope.%I (like qoescope.%I)', part, parent);
      execute format('alter table qoescope.%I attach partition qoescope.%I for values from (%L) to (%L)',
        parent, part, day, day + 1);
    end if;
  end if;
end $$;
revoke all on function qoescope.make_partition from public;
grant execute on function qoescope.make_partition to qoescope_writer;

create table if not exists qoescope.epochs (
  "query" text not null,
  "batch" bigint not null,
  "committed_at" timestamptz,
  primary key ("query", "batch")
);
grant select, insert, update, delete, truncate on qoescope.epochs to qoescope_writer;
grant select on qoescope.epochs to qoescope_reader;

create table if not exists qoescope.outcomes (
  "property" text not null,
  "minute_at" timestamptz not null,
  "received" bigint not null,
  "accepted" bigint not null,
  "duplicate" bigint not null,
  "invalid" bigint not null,
  "rate_limited" bigint not null,
  "filtered" bigint not null,
  "lake" bigint not null,
  "reports" bigint not null,
  "late" bigint not null,
  "quarantined" bigint not null,
  "erased" bigint not null,
  primary key ("property", "minute_at")
);
grant select, insert, update, delete, truncate on qoescope.outcomes to qoescope_writer;
grant select on qoescope.outcomes to qoescope_reader;
alter table qoescope.outcomes enable row level security;
alter table qoescope.outcomes force row level security;
drop policy if exists reading on qoescope.outcomes;
drop policy if exists writing on qoescope.outcomes;
create policy reading on qoescope.outcomes for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.outcomes for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.unknown_fields (
  "property" text not null,
  "minute_at" timestamptz not null,
  "field" text not null,
  "count" bigint not null,
  primary key ("property", "minute_at", "field")
);
grant select, insert, update, delete, truncate on qoescope.unknown_fields to qoescope_writer;
grant select on qoescope.unknown_fields to qoescope_reader;
alter table qoescope.unknown_fields enable row level security;
alter table qoescope.unknown_fields force row level security;
drop policy if exists reading on qoescope.unknown_fields;
drop policy if exists writing on qoescope.unknown_fields;
create policy reading on qoescope.unknown_fields for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.unknown_fields for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.freshness (
  "query" text not null,
  "batch" bigint not null,
  "committed_at" timestamptz not null,
  "first_at" timestamptz not null,
  "tick_ms" bigint not null,
  "sent" integer[] not null,
  "older" bigint not null,
  "events" bigint not null,
  primary key ("query", "batch")
);
grant select, insert, update, delete, truncate on qoescope.freshness to qoescope_writer;
grant select on qoescope.freshness to qoescope_reader;

create table if not exists qoescope.dead_letters (
  "kafka_partition" bigint not null,
  "kafka_offset" bigint not null,
  "property" text not null,
  "received_at" timestamptz not null,
  "stage" text not null,
  "reason" text not null,
  "detail" text,
  "body" bytea,
  "count" bigint not null,
  "replayed_at" timestamptz,
  primary key ("kafka_partition", "kafka_offset")
);
grant select, insert, update, delete, truncate on qoescope.dead_letters to qoescope_writer;
grant select on qoescope.dead_letters to qoescope_reader;
alter table qoescope.dead_letters enable row level security;
alter table qoescope.dead_letters force row level security;
drop policy if exists reading on qoescope.dead_letters;
drop policy if exists writing on qoescope.dead_letters;
create policy reading on qoescope.dead_letters for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.dead_letters for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.erased_letters (
  "kafka_partition" bigint not null,
  "kafka_offset" bigint not null,
  "erased_at" timestamptz not null,
  primary key ("kafka_partition", "kafka_offset")
);
grant select, insert, update, delete, truncate on qoescope.erased_letters to qoescope_writer;
grant select on qoescope.erased_letters to qoescope_reader;

create table if not exists qoescope.replays (
  "property" text not null,
  "id" text not null,
  "state" text not null,
  "reason" text not null,
  "total" bigint not null,
  "letters" bigint not null,
  "replayed" bigint not null,
  "events" bigint not null,
  "detail" text,
  "made_by" text not null,
  "started_at" timestamptz not null,
  "updated_at" timestamptz not null,
  primary key ("property")
);
grant select, insert, update, delete, truncate on qoescope.replays to qoescope_writer;
grant select on qoescope.replays to qoescope_reader;
alter table qoescope.replays enable row level security;
alter table qoescope.replays force row level security;
drop policy if exists reading on qoescope.replays;
drop policy if exists writing on qoescope.replays;
create policy reading on qoescope.replays for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.replays for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.stream_progress (
  "stream" text not null,
  "complete_until" timestamptz,
  "open_since" timestamptz,
  "version" bigint,
  "updated_at" timestamptz not null,
  primary key ("stream")
);
grant select, insert, update, delete, truncate on qoescope.stream_progress to qoescope_writer;
grant select on qoescope.stream_progress to qoescope_reader;

create table if not exists qoescope.stream_offsets (
  "stream" text not null,
  "topic" text not null,
  "kafka_partition" bigint not null,
  "first_offset" bigint not null,
  "next_offset" bigint not null,
  "records" bigint not null,
  "lost" bigint not null,
  primary key ("stream", "topic", "kafka_partition")
);
grant select, insert, update, delete, truncate on qoescope.stream_offsets to qoescope_writer;
grant select on qoescope.stream_offsets to qoescope_reader;

create table if not exists qoescope.log_partitions (
  "topic" text not null,
  "kafka_partition" bigint not null,
  "cluster_id" text not null,
  "topic_id" text not null,
  "first_offset" bigint not null,
  "shift" bigint not null,
  "met_at" timestamptz not null,
  primary key ("topic", "kafka_partition")
);
grant select, insert, update, delete, truncate on qoescope.log_partitions to qoescope_writer;
grant select on qoescope.log_partitions to qoescope_reader;

create table if not exists qoescope.log_answered (
  "topic_id" text not null,
  "kafka_partition" bigint not null,
  "next_offset" bigint not null,
  "written_at" timestamptz not null,
  "topic" text,
  "booked" bigint not null,
  primary key ("topic_id", "kafka_partition")
);
grant select, insert, update, delete, truncate on qoescope.log_answered to qoescope_writer;
grant select on qoescope.log_answered to qoescope_reader;

create table if not exists qoescope.part_health (
  "part" text not null,
  "written_at" timestamptz not null,
  "report" jsonb not null,
  primary key ("part")
);
grant select, insert, update, delete, truncate on qoescope.part_health to qoescope_writer;
grant select on qoescope.part_health to qoescope_reader;

create table if not exists qoescope.restatements (
  "day" date not null,
  "version" bigint not null,
  "sessions" bigint not null,
  "changed" bigint not null,
  "events" bigint not null,
  "checksum" text not null,
  "finished_at" timestamptz not null,
  primary key ("day", "version")
);
grant select, insert, update, delete, truncate on qoescope.restatements to qoescope_writer;
grant select on qoescope.restatements to qoescope_reader;

create table if not exists qoescope.imports (
  "checksum" text not null,
  "property" text not null,
  "name" text not null,
  "rows" bigint not null,
  "sessions" bigint not null,
  "repeated" bigint not null,
  "quarantined" bigint not null,
  "finished_at" timestamptz not null,
  primary key ("property", "checksum")
);
grant select, insert, update, delete, truncate on qoescope.imports to qoescope_writer;
grant select on qoescope.imports to qoescope_reader;
alter table qoescope.imports enable row level security;
alter table qoescope.imports force row level security;
drop policy if exists reading on qoescope.imports;
drop policy if exists writing on qoescope.imports;
create policy reading on qoescope.imports for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.imports for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.import_quarantine (
  "property" text not null,
  "checksum" text not null,
  "line" bigint not null,
  "reason" text not null,
  "content" text,
  primary key ("property", "checksum", "line")
);
grant select, insert, update, delete, truncate on qoescope.import_quarantine to qoescope_writer;
grant select on qoescope.import_quarantine to qoescope_reader;
alter table qoescope.import_quarantine enable row level security;
alter table qoescope.import_quarantine force row level security;
drop policy if exists reading on qoescope.import_quarantine;
drop policy if exists writing on qoescope.import_quarantine;
create policy reading on qoescope.import_quarantine for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.import_quarantine for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.erasures (
  "property" text not null,
  "viewer_id" text not null,
  "asked_at" timestamptz not null,
  "events" bigint not null,
  "sessions" bigint not null,
  "marts" bigint not null,
  "letters" bigint not null,
  "gone_by" date not null,
  primary key ("property", "viewer_id", "asked_at")
);
grant select, insert, update, delete, truncate on qoescope.erasures to qoescope_writer;
grant select on qoescope.erasures to qoescope_reader;
alter table qoescope.erasures enable row level security;
alter table qoescope.erasures force row level security;
drop policy if exists reading on qoescope.erasures;
drop policy if exists writing on qoescope.erasures;
create policy reading on qoescope.erasures for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.erasures for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.sessions (
  "property" text not null,
  "session_id" text not null,
  "started_at" timestamptz not null,
  "day" date not null,
  "hour" bigint not null,
  "day_of_week" bigint not null,
  "viewer_id" text not null,
  "viewer_register" bigint not null,
  "content_duration_ms" bigint,
  "device_type" text not null,
  "device_model" text not null,
  "os" text not null,
  "os_version" text not null,
  "browser" text not null,
  "browser_version" text not null,
  "user_agent" text not null,
  "app_version" text not null,
  "player_name" text not null,
  "player_version" text not null,
  "network_type" text not null,
  "country_code" text not null,
  "region" text not null,
  "isp" text not null,
  "asn" text not null,
  "cdn" text not null,
  "cdn_pop" text not null,
  "content_id" text not null,
  "content_title" text not null,
  "content_series" text not null,
  "content_type" text not null,
  "stream_format" text not null,
  "drm" text not null,
  "video_codec" text not null,
  "experiment" text not null,
  "variant" text not null,
  "source" text not null,
  "visibility" text,
  "start_outcome" text,
  "close_reason" text,
  "error_code" text,
  "error_class" text,
  "event_count" bigint not null,
  "starting_ms" bigint not null,
  "play_ms" bigint not null,
  "ad_play_ms" bigint not null,
  "stall_ms" bigint not null,
  "ad_stall_ms" bigint not null,
  "seek_ms" bigint not null,
  "resume_ms" bigint not null,
  "paused_ms" bigint not null,
  "hidden_ms" bigint not null,
  "discarded_ms" bigint not null,
  "stall_count" bigint not null,
  "seek_count" bigint not null,
  "pause_count" bigint not null,
  "ad_break_count" bigint not null,
  "error_count" bigint not null,
  "cdn_switch_count" bigint not null,
  "switch_up_count" bigint not null,
  "switch_down_count" bigint not null,
  "bitrate_kbps_ms" bigint not null,
  "bitrate_known_ms" bigint not null,
  "size_known_ms" bigint not null,
  "upscale_ms" bigint not null,
  "downscale_ms" bigint not null,
  "dropped_frames" bigint not null,
  "picture_known_ms" bigint not null,
  "picture_gap_ms" bigint not null,
  "is_attempt" boolean not null,
  "is_play" boolean not null,
  "startup_hidden" boolean not null,
  "upscale_max" double precision,
  "main_height" bigint,
  "playhead_max_ms" bigint,
  "cdn_trace" text,
  "lost_events" bigint,
  "watched_ms" bigint,
  "session_ms" bigint,
  "media_ms" bigint,
  "bitrate_avg_kbps" bigint,
  "startup_ms" bigint,
  "content_startup_ms" bigint,
  "exit_wait_ms" bigint,
  "is_early_exit" boolean,
  "ended_in_stall" boolean,
  "is_complete" boolean,
  "content_seen_ms" bigint,
  "success_score" numeric(5, 2),
  "startup_score" numeric(5, 2),
  "smoothness_score" numeric(5, 2),
  "quality_score" numeric(5, 2),
  "picture_score" numeric(5, 2),
  "stalling_score" numeric(5, 2),
  "start_score" numeric(5, 2),
  "experience_score" numeric(5, 2),
  "experience_score_v1" numeric(5, 2),
  "is_good" boolean,
  "first_received_at" timestamptz,
  "last_received_at" timestamptz,
  "version" bigint not null,
  "written_at" timestamptz not null,
  primary key ("property", "day", "session_id")
) partition by range (day);
grant select, insert, update, delete, truncate on qoescope.sessions to qoescope_writer;
grant select on qoescope.sessions to qoescope_reader;
alter table qoescope.sessions enable row level security;
alter table qoescope.sessions force row level security;
drop policy if exists reading on qoescope.sessions;
drop policy if exists writing on qoescope.sessions;
create policy reading on qoescope.sessions for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.sessions for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.cmcd_sessions (
  "property" text not null,
  "session_id" text not null,
  "source" text not null,
  "first_at" timestamptz not null,
  "last_at" timestamptz not null,
  "tells_states" boolean not null,
  "content_id" text,
  "content_type" text,
  "stream_format" text,
  "cdn" text,
  "startup_ms" bigint,
  "record_count" bigint not null,
  "request_count" bigint,
  "request_errors" bigint,
  "media_ms" bigint,
  "requested_kbps_ms" bigint,
  "requested_ms" bigint,
  "requested_kbps" bigint,
  "top_kbps" bigint,
  "throughput_kbps_sum" bigint,
  "throughput_count" bigint,
  "buffer_ms_sum" bigint,
  "buffer_count" bigint,
  "live_latency_ms_sum" bigint,
  "live_latency_count" bigint,
  "starvation_count" bigint,
  "lost_reports" bigint,
  "notes" text,
  primary key ("property", "session_id")
);
grant select, insert, update, delete, truncate on qoescope.cmcd_sessions to qoescope_writer;
grant select on qoescope.cmcd_sessions to qoescope_reader;
alter table qoescope.cmcd_sessions enable row level security;
alter table qoescope.cmcd_sessions force row level security;
drop policy if exists reading on qoescope.cmcd_sessions;
drop policy if exists writing on qoescope.cmcd_sessions;
create policy reading on qoescope.cmcd_sessions for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.cmcd_sessions for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.cmcd_requests (
  "property" text not null,
  "session_id" text not null,
  "host" text,
  "cdn" text,
  "last_at" timestamptz not null,
  "request_count" bigint not null,
  "status_count" bigint not null,
  "error_count" bigint not null,
  "ttfb_ms_sum" bigint not null,
  "ttfb_count" bigint not null,
  "ttlb_ms_sum" bigint not null,
  "ttlb_count" bigint not null,
  "requested_kbps_ms" bigint not null,
  "requested_ms" bigint not null,
  primary key ("property", "session_id", "host")
);
grant select, insert, update, delete, truncate on qoescope.cmcd_requests to qoescope_writer;
grant select on qoescope.cmcd_requests to qoescope_reader;
alter table qoescope.cmcd_requests enable row level security;
alter table qoescope.cmcd_requests force row level security;
drop policy if exists reading on qoescope.cmcd_requests;
drop policy if exists writing on qoescope.cmcd_requests;
create policy reading on qoescope.cmcd_requests for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.cmcd_requests for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.checks (
  "property" text not null,
  "day" date not null,
  "rule" text not null,
  "rows" bigint not null,
  "broken" bigint not null,
  "allowed" double precision not null,
  "value" double precision,
  "usual" double precision,
  "passed" boolean not null,
  "checked_at" timestamptz not null,
  primary key ("property", "day", "rule")
);
grant select, insert, update, delete, truncate on qoescope.checks to qoescope_writer;
grant select on qoescope.checks to qoescope_reader;
alter table qoescope.checks enable row level security;
alter table qoescope.checks force row level security;
drop policy if exists reading on qoescope.checks;
drop policy if exists writing on qoescope.checks;
create policy reading on qoescope.checks for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.checks for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.quality_hour (
  "property" text not null,
  "day" date not null,
  "starts_at" timestamptz not null,
  "grouping" text not null,
  "value_1" text not null,
  "value_2" text not null,
  "attempts" bigint not null,
  "plays" bigint not null,
  "start_failures_technical" bigint not null,
  "start_failures_business" bigint not null,
  "exits_before_start" bigint not null,
  "early_exits" bigint not null,
  "hidden_exits" bigint not null,
  "play_failures_technical" bigint not null,
  "play_failures_business" bigint not null,
  "plays_finished" bigint not null,
  "plays_exited" bigint not null,
  "plays_timed_out" bigint not null,
  "stalled_plays" bigint not null,
  "stall_exits" bigint not null,
  "starting_ms" bigint not null,
  "play_ms" bigint not null,
  "ad_play_ms" bigint not null,
  "stall_ms" bigint not null,
  "ad_stall_ms" bigint not null,
  "seek_ms" bigint not null,
  "resume_ms" bigint not null,
  "paused_ms" bigint not null,
  "watched_ms" bigint not null,
  "media_ms" bigint not null,
  "hidden_ms" bigint not null,
  "discarded_ms" bigint not null,
  "stalls" bigint not null,
  "seeks" bigint not null,
  "switches_up" bigint not null,
  "switches_down" bigint not null,
  "dropped_frames" bigint not null,
  "errors" bigint not null,
  "bitrate_kbps_ms" bigint not null,
  "bitrate_known_ms" bigint not null,
  "upscale_ms" bigint not null,
  "downscale_ms" bigint not null,
  "size_known_ms" bigint not null,
  "events" bigint not null,
  "lost_events" bigint not null,
  "startups" bigint not null,
  "startup_ms" bigint not null,
  "startups_unknown" bigint not null,
  "startup_histogram" integer[] not null,
  "exit_wait_histogram" integer[] not null,
  "content_startups" bigint not null,
  "content_startup_ms" bigint not null,
  "measured_plays" bigint not null,
  "completions" bigint not null,
  "content_ms" bigint not null,
  "content_seen_ms" bigint not null,
  "success_score_sum" numeric(18, 2) not null,
  "success_score_count" bigint not null,
  "picture_score_sum" numeric(18, 2) not null,
  "picture_score_count" bigint not null,
  "stalling_score_sum" numeric(18, 2) not null,
  "stalling_score_count" bigint not null,
  "start_score_sum" numeric(18, 2) not null,
  "start_score_count" bigint not null,
  "experience_score_sum" numeric(18, 2) not null,
  "experience_score_count" bigint not null,
  "startup_score_sum" numeric(18, 2) not null,
  "startup_score_count" bigint not null,
  "smoothness_score_sum" numeric(18, 2) not null,
  "smoothness_score_count" bigint not null,
  "quality_score_sum" numeric(18, 2) not null,
  "quality_score_count" bigint not null,
  "experience_score_v1_sum" numeric(18, 2) not null,
  "experience_score_v1_count" bigint not null,
  "good_sessions" bigint not null,
  "judged_sessions" bigint not null,
  "viewers" integer[] not null,
  primary key ("property", "day", "starts_at", "grouping", "value_1", "value_2")
) partition by range (day);
grant select, insert, update, delete, truncate on qoescope.quality_hour to qoescope_writer;
grant select on qoescope.quality_hour to qoescope_reader;
alter table qoescope.quality_hour enable row level security;
alter table qoescope.quality_hour force row level security;
drop policy if exists reading on qoescope.quality_hour;
drop policy if exists writing on qoescope.quality_hour;
create policy reading on qoescope.quality_hour for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.quality_hour for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.quality_day (
  "property" text not null,
  "day" date not null,
  "starts_at" timestamptz not null,
  "grouping" text not null,
  "value_1" text not null,
  "value_2" text not null,
  "attempts" bigint not null,
  "plays" bigint not null,
  "start_failures_technical" bigint not null,
  "start_failures_business" bigint not null,
  "exits_before_start" bigint not null,
  "early_exits" bigint not null,
  "hidden_exits" bigint not null,
  "play_failures_technical" bigint not null,
  "play_failures_business" bigint not null,
  "plays_finished" bigint not null,
  "plays_exited" bigint not null,
  "plays_timed_out" bigint not null,
  "stalled_plays" bigint not null,
  "stall_exits" bigint not null,
  "starting_ms" bigint not null,
  "play_ms" bigint not null,
  "ad_play_ms" bigint not null,
  "stall_ms" bigint not null,
  "ad_stall_ms" bigint not null,
  "seek_ms" bigint not null,
  "resume_ms" bigint not null,
  "paused_ms" bigint not null,
  "watched_ms" bigint not null,
  "media_ms" bigint not null,
  "hidden_ms" bigint not null,
  "discarded_ms" bigint not null,
  "stalls" bigint not null,
  "seeks" bigint not null,
  "switches_up" bigint not null,
  "switches_down" bigint not null,
  "dropped_frames" bigint not null,
  "errors" bigint not null,
  "bitrate_kbps_ms" bigint not null,
  "bitrate_known_ms" bigint not null,
  "upscale_ms" bigint not null,
  "downscale_ms" bigint not null,
  "size_known_ms" bigint not null,
  "events" bigint not null,
  "lost_events" bigint not null,
  "startups" bigint not null,
  "startup_ms" bigint not null,
  "startups_unknown" bigint not null,
  "startup_histogram" integer[] not null,
  "exit_wait_histogram" integer[] not null,
  "content_startups" bigint not null,
  "content_startup_ms" bigint not null,
  "measured_plays" bigint not null,
  "completions" bigint not null,
  "content_ms" bigint not null,
  "content_seen_ms" bigint not null,
  "success_score_sum" numeric(18, 2) not null,
  "success_score_count" bigint not null,
  "picture_score_sum" numeric(18, 2) not null,
  "picture_score_count" bigint not null,
  "stalling_score_sum" numeric(18, 2) not null,
  "stalling_score_count" bigint not null,
  "start_score_sum" numeric(18, 2) not null,
  "start_score_count" bigint not null,
  "experience_score_sum" numeric(18, 2) not null,
  "experience_score_count" bigint not null,
  "startup_score_sum" numeric(18, 2) not null,
  "startup_score_count" bigint not null,
  "smoothness_score_sum" numeric(18, 2) not null,
  "smoothness_score_count" bigint not null,
  "quality_score_sum" numeric(18, 2) not null,
  "quality_score_count" bigint not null,
  "experience_score_v1_sum" numeric(18, 2) not null,
  "experience_score_v1_count" bigint not null,
  "good_sessions" bigint not null,
  "judged_sessions" bigint not null,
  "viewers" integer[] not null,
  primary key ("property", "day", "starts_at", "grouping", "value_1", "value_2")
) partition by range (day);
grant select, insert, update, delete, truncate on qoescope.quality_day to qoescope_writer;
grant select on qoescope.quality_day to qoescope_reader;
alter table qoescope.quality_day enable row level security;
alter table qoescope.quality_day force row level security;
drop policy if exists reading on qoescope.quality_day;
drop policy if exists writing on qoescope.quality_day;
create policy reading on qoescope.quality_day for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.quality_day for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.viewer_day (
  "property" text not null,
  "day" date not null,
  "starts_at" timestamptz not null,
  "grouping" text not null,
  "value_1" text not null,
  "value_2" text not null,
  "attempts" bigint not null,
  "plays" bigint not null,
  "start_failures_technical" bigint not null,
  "start_failures_business" bigint not null,
  "exits_before_start" bigint not null,
  "play_failures_technical" bigint not null,
  "play_failures_business" bigint not null,
  "stalled_plays" bigint not null,
  "stalls" bigint not null,
  "stall_ms" bigint not null,
  "play_ms" bigint not null,
  "watched_ms" bigint not null,
  "startups" bigint not null,
  "startup_ms" bigint not null,
  "errors" bigint not null,
  "events" bigint not null,
  "lost_events" bigint not null,
  "good_sessions" bigint not null,
  "judged_sessions" bigint not null,
  "experience_score_sum" numeric(18, 2) not null,
  "experience_score_count" bigint not null,
  primary key ("property", "day", "starts_at", "grouping", "value_1", "value_2")
) partition by range (day);
grant select, insert, update, delete, truncate on qoescope.viewer_day to qoescope_writer;
grant select on qoescope.viewer_day to qoescope_reader;
alter table qoescope.viewer_day enable row level security;
alter table qoescope.viewer_day force row level security;
drop policy if exists reading on qoescope.viewer_day;
drop policy if exists writing on qoescope.viewer_day;
create policy reading on qoescope.viewer_day for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.viewer_day for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.live_window (
  "property" text not null,
  "day" date not null,
  "starts_at" timestamptz not null,
  "grouping" text not null,
  "value_1" text not null,
  "value_2" text not null,
  "live_events" bigint not null,
  "live_watched_ms" bigint not null,
  "live_stall_ms" bigint not null,
  "live_stalls" bigint not null,
  "live_start_failures" bigint not null,
  "live_play_failures" bigint not null,
  "live_exits_before_start" bigint not null,
  "live_bitrate_kbps_ms" bigint not null,
  "live_bitrate_known_ms" bigint not null,
  "live_startup_histogram" integer[] not null,
  "live_concurrent_sessions" integer[] not null,
  "live_attempting_sessions" integer[] not null,
  primary key ("property", "day", "starts_at", "grouping", "value_1", "value_2")
) partition by range (day);
grant select, insert, update, delete, truncate on qoescope.live_window to qoescope_writer;
grant select on qoescope.live_window to qoescope_reader;
alter table qoescope.live_window enable row level security;
alter table qoescope.live_window force row level security;
drop policy if exists reading on qoescope.live_window;
drop policy if exists writing on qoescope.live_window;
create policy reading on qoescope.live_window for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.live_window for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.live_leaf (
  "property" text not null,
  "day" date not null,
  "starts_at" timestamptz not null,
  "leaf" bigint not null,
  "device_type" text not null,
  "device_model" text not null,
  "os" text not null,
  "os_version" text not null,
  "app_version" text not null,
  "player_name" text not null,
  "player_version" text not null,
  "network_type" text not null,
  "country_code" text not null,
  "isp" text not null,
  "cdn" text not null,
  "cdn_pop" text not null,
  "drm" text not null,
  "content_id" text not null,
  "variant" text not null,
  "attempts" bigint not null,
  "starts" bigint not null,
  "start_failures" bigint not null,
  "start_failures_business" bigint not null,
  "exits_before_start" bigint not null,
  "early_exits" bigint not null,
  "play_failures" bigint not null,
  "plays_ended" bigint not null,
  "events" bigint not null,
  "lost_events" bigint not null,
  "intervals" bigint not null,
  "watched_ms" bigint not null,
  "play_ms" bigint not null,
  "stall_ms" bigint not null,
  "stalls" bigint not null,
  "stall_ms_sq" double precision not null,
  "watched_ms_sq" double precision not null,
  "startups" bigint not null,
  "startup_log_sum" double precision not null,
  "startup_log_sq" double precision not null,
  "bitrates" bigint not null,
  "bitrate_log_sum" double precision not null,
  "bitrate_log_sq" double precision not null,
  primary key ("property", "day", "starts_at", "leaf")
) partition by range (day);
grant select, insert, update, delete, truncate on qoescope.live_leaf to qoescope_writer;
grant select on qoescope.live_leaf to qoescope_reader;
alter table qoescope.live_leaf enable row level security;
alter table qoescope.live_leaf force row level security;
drop policy if exists reading on qoescope.live_leaf;
drop policy if exists writing on qoescope.live_leaf;
create policy reading on qoescope.live_leaf for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.live_leaf for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.properties (
  "property" text not null,
  "enabled" boolean not null,
  "cmcd" boolean not null,
  "origins" text,
  "honours_dnt" boolean not null,
  "created_at" timestamptz not null,
  primary key ("property")
);
grant select, insert, update, delete, truncate on qoescope.properties to qoescope_writer;
grant select on qoescope.properties to qoescope_reader;
alter table qoescope.properties enable row level security;
alter table qoescope.properties force row level security;
drop policy if exists reading on qoescope.properties;
drop policy if exists writing on qoescope.properties;
create policy reading on qoescope.properties for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.properties for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.keys (
  "property" text not null,
  "prefix" text not null,
  "digest" text not null,
  "created_at" timestamptz not null,
  "revoked_at" timestamptz,
  primary key ("prefix")
);
grant select, insert, update, delete, truncate on qoescope.keys to qoescope_writer;
revoke all on qoescope.keys from qoescope_reader;
alter table qoescope.keys enable row level security;
alter table qoescope.keys force row level security;
drop policy if exists reading on qoescope.keys;
drop policy if exists writing on qoescope.keys;
create policy writing on qoescope.keys for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.forgotten (
  "property" text not null,
  "viewer_id" text not null,
  "forgotten_at" timestamptz not null,
  primary key ("property", "viewer_id")
);
grant select, insert, update, delete, truncate on qoescope.forgotten to qoescope_writer;
revoke all on qoescope.forgotten from qoescope_reader;
alter table qoescope.forgotten enable row level security;
alter table qoescope.forgotten force row level security;
drop policy if exists reading on qoescope.forgotten;
drop policy if exists writing on qoescope.forgotten;
create policy writing on qoescope.forgotten for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.users (
  "name" text not null,
  "digest" text not null,
  "role" text not null,
  "properties" text not null,
  "created_at" timestamptz not null,
  "changed_at" timestamptz not null,
  "disabled_at" timestamptz,
  primary key ("name")
);
grant select, insert, update, delete, truncate on qoescope.users to qoescope_writer;
revoke all on qoescope.users from qoescope_reader;

create table if not exists qoescope.ended_logins (
  "id" text not null,
  "ended_at" timestamptz not null,
  primary key ("id")
);
grant select, insert, update, delete, truncate on qoescope.ended_logins to qoescope_writer;
revoke all on qoescope.ended_logins from qoescope_reader;

create table if not exists qoescope.attempts (
  "key" text not null,
  "tries" integer[] not null,
  "tried_at" timestamptz not null,
  "known_at" timestamptz,
  primary key ("key")
);
grant select, insert, update, delete, truncate on qoescope.attempts to qoescope_writer;
revoke all on qoescope.attempts from qoescope_reader;

create table if not exists qoescope.tokens (
  "prefix" text not null,
  "digest" text not null,
  "label" text not null,
  "property" text not null,
  "scopes" text not null,
  "created_at" timestamptz not null,
  "revoked_at" timestamptz,
  primary key ("prefix")
);
grant select, insert, update, delete, truncate on qoescope.tokens to qoescope_writer;
revoke all on qoescope.tokens from qoescope_reader;
alter table qoescope.tokens enable row level security;
alter table qoescope.tokens force row level security;
drop policy if exists reading on qoescope.tokens;
drop policy if exists writing on qoescope.tokens;
create policy writing on qoescope.tokens for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.views (
  "property" text not null,
  "id" text not null,
  "title" text not null,
  "address" text not null,
  "made_by" text not null,
  "created_at" timestamptz not null,
  primary key ("property", "id")
);
grant select, insert, update, delete, truncate on qoescope.views to qoescope_writer;
grant select on qoescope.views to qoescope_reader;
alter table qoescope.views enable row level security;
alter table qoescope.views force row level security;
drop policy if exists reading on qoescope.views;
drop policy if exists writing on qoescope.views;
create policy reading on qoescope.views for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.views for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.annotations (
  "property" text not null,
  "id" text not null,
  "starts_at" timestamptz not null,
  "ends_at" timestamptz,
  "text" text not null,
  "made_by" text not null,
  "created_at" timestamptz not null,
  primary key ("property", "id")
);
grant select, insert, update, delete, truncate on qoescope.annotations to qoescope_writer;
grant select on qoescope.annotations to qoescope_reader;
alter table qoescope.annotations enable row level security;
alter table qoescope.annotations force row level security;
drop policy if exists reading on qoescope.annotations;
drop policy if exists writing on qoescope.annotations;
create policy reading on qoescope.annotations for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.annotations for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.acknowledgements (
  "property" text not null,
  "incident_id" text not null,
  "made_by" text not null,
  "created_at" timestamptz not null,
  primary key ("property", "incident_id")
);
grant select, insert, update, delete, truncate on qoescope.acknowledgements to qoescope_writer;
grant select on qoescope.acknowledgements to qoescope_reader;
alter table qoescope.acknowledgements enable row level security;
alter table qoescope.acknowledgements force row level security;
drop policy if exists reading on qoescope.acknowledgements;
drop policy if exists writing on qoescope.acknowledgements;
create policy reading on qoescope.acknowledgements for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.acknowledgements for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.incidents (
  "property" text not null,
  "id" text not null,
  "version" bigint not null,
  "source" text not null,
  "state" text not null,
  "severity" text not null,
  "metrics" text not null,
  "slice" jsonb not null,
  "slice_name" text not null,
  "opened_at" timestamptz not null,
  "confirmed_at" timestamptz,
  "onset_at" timestamptz not null,
  "last_seen_at" timestamptz not null,
  "closed_at" timestamptz,
  "actual" double precision not null,
  "actual_low" double precision,
  "actual_high" double precision,
  "expected" double precision not null,
  "lift" double precision,
  "n" double precision not null,
  "excess" double precision not null,
  "affected_sessions" bigint not null,
  "viewers" bigint not null,
  "lost_watch_hours" double precision not null,
  "share" double precision not null,
  "score" double precision not null,
  "confidence" double precision not null,
  "persistence" double precision not null,
  "story" text not null,
  "rivals" jsonb not null,
  "sessions" jsonb not null,
  "query" text not null,
  "chart" jsonb not null,
  "memory" jsonb not null,
  "updated_at" timestamptz not null,
  primary key ("property", "id")
);
grant select, insert, update, delete, truncate on qoescope.incidents to qoescope_writer;
grant select on qoescope.incidents to qoescope_reader;
alter table qoescope.incidents enable row level security;
alter table qoescope.incidents force row level security;
drop policy if exists reading on qoescope.incidents;
drop policy if exists writing on qoescope.incidents;
create policy reading on qoescope.incidents for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.incidents for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.notifications (
  "property" text not null,
  "incident_id" text not null,
  "state" text not null,
  "target" text not null,
  "status" text not null,
  "attempts" bigint not null,
  "next_at" timestamptz,
  "detail" text,
  "payload" jsonb not null,
  "created_at" timestamptz not null,
  "sent_at" timestamptz,
  primary key ("property", "incident_id", "state", "target")
);
grant select, insert, update, delete, truncate on qoescope.notifications to qoescope_writer;
grant select on qoescope.notifications to qoescope_reader;
alter table qoescope.notifications enable row level security;
alter table qoescope.notifications force row level security;
drop policy if exists reading on qoescope.notifications;
drop policy if exists writing on qoescope.notifications;
create policy reading on qoescope.notifications for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.notifications for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.mutes (
  "property" text not null,
  "id" text not null,
  "slice" jsonb not null,
  "starts_at" timestamptz not null,
  "ends_at" timestamptz not null,
  "reason" text not null,
  "created_by" text not null,
  primary key ("property", "id")
);
grant select, insert, update, delete, truncate on qoescope.mutes to qoescope_writer;
grant select on qoescope.mutes to qoescope_reader;
alter table qoescope.mutes enable row level security;
alter table qoescope.mutes force row level security;
drop policy if exists reading on qoescope.mutes;
drop policy if exists writing on qoescope.mutes;
create policy reading on qoescope.mutes for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.mutes for all to qoescope_writer using (true) with check (true);

create table if not exists qoescope.rules (
  "property" text not null,
  "id" text not null,
  "version" bigint not null,
  "metric" text not null,
  "slice" jsonb not null,
  "direction" text not null,
  "threshold" double precision not null,
  "minutes" bigint not null,
  "audience" double precision not null,
  "severity" text not null,
  "enabled" boolean not null,
  primary key ("property", "id")
);
grant select, insert, update, delete, truncate on qoescope.rules to qoescope_writer;
grant select on qoescope.rules to qoescope_reader;
alter table qoescope.rules enable row level security;
alter table qoescope.rules force row level security;
drop policy if exists reading on qoescope.rules;
drop policy if exists writing on qoescope.rules;
create policy reading on qoescope.rules for select to qoescope_reader
  using (property = current_setting('qoescope.property', true));
create policy writing on qoescope.rules for all to qoescope_writer using (true) with check (true);
