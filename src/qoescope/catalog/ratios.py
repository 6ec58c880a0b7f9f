"""Ratios: the metrics that are the sum of some measures over the sum of others, as text tables, a row each.

Several measures of a cell are added up. `times` multiplies the ratio; it is 1 where it is left out.
"""

_COLUMNS = "name | label | numerator | denominator | better | unit | doc | same_as | times"

STARTS_AND_STALLS = f"""{_COLUMNS}
ebvs_ratio | Exits before start | exits_before_start | attempts | lower | ratio
    | viewers who left before the first frame, of all attempts | ≙ Conviva EBVS, Mux Exits Before Video Start
start_failure_ratio | Start failures | start_failures_technical | attempts | lower | ratio
    | attempts that a technical error ended before the first frame
    | ≙ Conviva VSF-T, Mux Video Startup Failure Percentage
start_failure_business_ratio | Refused starts | start_failures_business | attempts | neither | ratio
    | attempts that a rule refused | ≙ Conviva VSF-B, Mux Business Exception at startup
play_failure_ratio | Play failures | play_failures_technical | plays | lower | ratio
    | plays that a technical error ended | ≙ Conviva VPF-T
play_failure_business_ratio | Stopped by rule | play_failures_business | plays | neither | ratio
    | plays that a rule stopped | ≙ Conviva VPF-B
failure_ratio | Failures | start_failures_technical play_failures_technical | attempts | lower | ratio
    | attempts that a technical error ended, before or after the first frame | ≙ Mux Playback Failure Percentage
failure_all_ratio | All failures
    | start_failures_technical play_failures_technical start_failures_business play_failures_business
    | attempts | lower | ratio
    | attempts that any error ended | ≙ CTA Playback Failure Percentage
rebuffer_ratio | Rebuffering | stall_ms | watched_ms | lower | ratio
    | share of watched time spent stalled | ≙ CTA Average Stalled Time, Mux Rebuffer Percentage
connection_rebuffer_ratio | Connection rebuffering | stall_ms | play_ms ad_play_ms stall_ms | lower | ratio
    | stalled time over playing and stalled time | ≈ Conviva CIRR
stalls_per_minute | Stalls a minute | stalls | watched_ms | lower | per_minute
    | stalls a minute watched | ≙ Mux Rebuffer Frequency | 60000
stalls_per_session | Stalls a session | stalls | attempts | lower | per_session
    | stalls an attempt; not comparable across lengths | ≙ CTA Average Playback Stalled Count
stalled_play_ratio | Plays with a stall | stalled_plays | plays | lower | ratio
    | plays that stalled at least once | ≈ Conviva interrupted plays
startup_avg_ms | Startup, mean | startup_ms | startups | lower | ms
    | mean time from play to first frame, of viewers who stayed | ≙ CTA Average Initial Startup Time
"""

PICTURE_AND_EXITS = f"""{_COLUMNS}
content_startup_avg_ms | Content startup | content_startup_ms | content_startups | lower | ms
    | mean waiting until the first frame of content | ≙ Mux Content Startup Time
bitrate_avg_kbps | Bitrate | bitrate_kbps_ms | bitrate_known_ms | higher | kbps
    | time-weighted video bitrate of content | ≙ Mux Weighted Average Bitrate, ≈ CTA Average Playback Bitrate
upscale_avg | Upscaling | upscale_ms | size_known_ms | lower | ratio
    | mean enlargement of the picture on screen | ≙ Mux Upscale Percentage
downscale_avg | Downscaling | downscale_ms | size_known_ms | neither | ratio
    | mean reduction of the picture on screen | ≈ Mux Downscale Percentage
dropped_frames_per_minute | Dropped frames a minute | dropped_frames | play_ms ad_play_ms | lower | per_minute
    | frames dropped a minute shown | | 60000
switches_per_minute | Switches a minute | switches_up switches_down | play_ms ad_play_ms | neither | per_minute
    | changes of bitrate a minute shown | | 60000
seek_wait_avg_ms | Wait after a seek | seek_ms | seeks | lower | ms
    | mean waiting after a seek | ≈ Mux Seek Latency, Conviva VRT
exit_ratio | Exits | plays_exited | plays | neither | ratio
    | plays that the viewer left
timeout_ratio | Time-outs | plays_timed_out | plays | lower | ratio
    | plays that fell silent | ≈ Mux View Dropped Percentage
stall_exit_ratio | Exits in a stall | stall_exits | plays | lower | ratio
    | plays given up while stalled | ≈ Conviva CIR related exits
completion_ratio | Completion | completions | measured_plays | higher | ratio
    | plays that saw the end, of those of known length
engagement_ratio | Content seen | content_seen_ms | content_ms | higher | ratio
    | content seen, of the content's length
"""

SESSIONS_AND_TRUST = f"""{_COLUMNS}
good_session_ratio | Good sessions | good_sessions | judged_sessions | higher | ratio
    | sessions that met every threshold, of those judged | ≈ Conviva SPI
startup_unknown_ratio | Startup unknown | startups_unknown | plays | lower | ratio
    | plays whose startup is not known: quality of the data, not of the service
lost_event_ratio | Lost telemetry | lost_events | lost_events events | lower | ratio
    | events that never came: quality of the data, not of the service
"""

LIVE = f"""{_COLUMNS}
live_rebuffer_ratio | Rebuffering now | live_stall_ms | live_watched_ms | lower | ratio
    | stalled time of watched time, of running sessions too
live_stalls_per_minute | Stalls a minute now | live_stalls | live_watched_ms | lower | per_minute
    | stalls a minute watched | | 60000
live_bitrate_avg_kbps | Bitrate now | live_bitrate_kbps_ms | live_bitrate_known_ms | higher | kbps
    | time-weighted video bitrate of content
"""
