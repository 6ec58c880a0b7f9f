"""Scores: how good a session was, from 0 to 100, as ANSI SQL over its row, and the numbers in it with their sources."""

from qoescope.catalog import picture

GOOD_BITRATE_KBPS = {"smart_tv": 3000, "console": 3000, "set_top_box": 3000, "web": 1500, "tablet": 1500}
GOOD_BITRATE_ELSE_KBPS = 800
GOOD_STARTUP_MS = 5000
GOOD_STALL_SHARE = 0.01
GOOD_PICTURE = 70
"""A good session's thresholds: defaults to argue with, not truths. Bitrates hold where sizes are not known."""

SCORE_WEIGHTS = {"smoothness_score": 0.45, "startup_score": 0.30, "quality_score": 0.25}
"""Weights of the experience score, version 1. A change of them is a new version of the score."""

STALLS_FADE, STALLED_SHARE_FADES = 9.35158684, 0.91890815
"""So many stalls, and so great a share of stalled time, each leave 1 / e of a session's experience: s1 and s2 of ITU-T
P.1203.3. That length and number both count, and fall exponentially, is what Hoßfeld and others found in 2011
(Quantification of YouTube QoE via crowdsourcing, IEEE ISM)."""
STALLS_COUNT_FOR_MS = 300_000
"""P.1203 holds for one to five minutes. In longer sessions a stall weighs less: stalls in five minutes count."""
START_PARTS, SHORTEST_MS = 3, 60_000
"""P.1203.3 counts a third of the start as stalled time, of a minute at least. That viewers mind it far less than a
stall of the same length is from Hoßfeld and others, 2012 (Initial delay vs. interruptions: between the devil and the
deep blue sea, QoMEX). So it costs less than one stall of its length in a session of any length."""

PLAYED = "start_outcome = 'played'"

SUCCESS = (
    f"case when {PLAYED} then case when error_class = 'technical' then 0 else 100 end "
    "when start_outcome = 'failed_technical' then 0 "
    "when start_outcome = 'exited' and not is_early_exit then 50 end"
)

STARTUP = f"case when {PLAYED} then 100 * 8 / (8 + startup_ms / 1000) end"

SMOOTHNESS = (
    f"case when {PLAYED} and watched_ms > 0 then (100 / sqrt(1 + power(stall_count / 2, 2)) "
    "+ 100 * exp(-10 * (stall_ms / watched_ms))) / 2 end"
)

QUALITY = (
    f"case when {PLAYED} and size_known_ms > 0 then "
    "100 * exp(-0.33 * (0.15 * upscale_max + 0.85 * (upscale_ms / size_known_ms))) end"
)

PICTURE = f"case when {PLAYED} and picture_known_ms > 0 then 100 * {picture.SHARE} end"

STALLING = (
    f"case when {PLAYED} and play_ms + ad_play_ms > 0 then 100 * exp(-stall_count * "
    f"least(1, {STALLS_COUNT_FOR_MS} / (play_ms + ad_play_ms)) / {STALLS_FADE} "
    f"- stall_ms / (play_ms + ad_play_ms) / {STALLED_SHARE_FADES}) "
    f"when {PLAYED} and stall_ms > 0 then 0 end"
)

START = (
    f"case when {PLAYED} then 100 * exp(-startup_ms / "
    f"({START_PARTS} * greatest(play_ms + ad_play_ms, {SHORTEST_MS})) / {STALLED_SHARE_FADES}) end"
)

EXPERIENCE = (
    "case when success_score is null then null "
    f"when {PLAYED} then success_score * coalesce(picture_score / 100, 1) * coalesce(stalling_score / 100, 1) "
    "* coalesce(start_score / 100, 1) "
    "when start_outcome = 'exited' then 50 * 8 / (8 + exit_wait_ms / 1000) "
    "else success_score end"
)

EXPERIENCE_V1 = (
    "case when success_score is null then null "
    f"when {PLAYED} then success_score * power(coalesce(smoothness_score / 100, 1), "
    "{smoothness_score} / score_weight) * power(coalesce(startup_score / 100, 1), {startup_score} / "
    "score_weight) * power(coalesce(quality_score / 100, 1), {quality_score} / score_weight) "
    "when start_outcome = 'exited' then 50 * 8 / (8 + exit_wait_ms / 1000) "
    "else success_score end"
)

IS_GOOD = (
    "case when start_outcome is null or start_outcome in ('exited_hidden', 'failed_business') or is_early_exit "
    f"then null else {PLAYED} and coalesce(error_class, '') <> 'technical' and not ended_in_stall "
    "and coalesce(startup_ms <= {good_startup_ms}, true) "
    "and stall_ms <= {good_stall_share} * (play_ms + ad_play_ms + stall_ms) "
    "and coalesce(picture_score >= {good_picture}, bitrate_avg_kbps >= {good_bitrate}, true) end"
)
