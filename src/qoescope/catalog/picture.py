"""Picture: how good a rendition looks on its screen, as an opinion on the scale from 1, bad, to 5, excellent.

The form and its numbers are ITU-T P.1203.1's (10/2017) of mode 0, which asks for bitrate, sizes and codec alone; none
is fitted by us. `STEPS` are SQL: each sees the columns of `RENDITION` and the steps before it. An opinion is known
where bitrate and size are; of a screen of unknown size the picture is taken to fill it as it is.
"""

RENDITION = ("bitrate_kbps", "width", "height", "player_width", "player_height", "video_codec")
"""What tells one picture from another."""

CODEC_GAIN = {"vp9": 1.45, "hevc": 1.55, "av1": 2.07}
"""What one kbps shows, in kbps of AVC, to which the model holds; other codecs and unknown ones count as AVC.

HEVC takes 35.4 % fewer bits than AVC at equal quality (Ohm et al. 2012, IEEE Trans. CSVT 22), AV1 30 % fewer than VP9
(Chen et al. 2018, Picture Coding Symposium); VP9 is put a little below HEVC, which is our choice.
"""

FRAMES_A_SECOND = 24
"""Players do not tell: at 24 and above the model takes nothing off."""

SCREEN_PIXELS = 1920 * 1080
"""The largest screen that the model was made on: from where people sit, more pixels of it show no more."""

WORST = 1.05
"""The lowest opinion of P.1203's rating scale; below it the scale's cubic is no longer rising."""
BEST = 4.66
"""Of what the model can tell; q1 of P.1203.1."""

_GAIN = " ".join(f"when '{name}' then {gain}" for name, gain in CODEC_GAIN.items())

STEPS = (
    (
        "avc_kbps",
        f"case when bitrate_kbps > 0 and width > 0 and height > 0 then "
        f"bitrate_kbps * case video_codec {_GAIN} else 1 end end",
    ),
    ("pixels", "cast(width * height as double)"),
    # a1 to a4: the coding's loss, from bits a second and bits a pixel
    (
        "coarseness",
        f"11.9983519 - 2.99991847 * ln(41.2475074 + ln(avc_kbps) + "
        f"ln(avc_kbps * (avc_kbps * 1000 / (pixels * {FRAMES_A_SECOND})) + 0.13183165))",
    ),
    # q1 to q3
    ("coded", f"case when coarseness is not null then greatest({BEST} - 0.07 * exp(4.06 * coarseness), {WORST}) end"),
    # u1 and u2: what is lost by enlarging it to the screen, in points of the rating from 0 to 100
    (
        "enlarged",
        "case when player_width * player_height > pixels then 72.61 * log10(1 + 0.32 * "
        f"greatest(least(player_width * player_height, {SCREEN_PIXELS}) / pixels - 1, 0)) else 0 end",
    ),
    # the rating of an opinion: inverse of opinion = 1.05 + 0.0385 r + r (r - 60) (100 - r) * 7e-6, as cosines
    (
        "rating",
        f"103.49449797506682 * cos(acos((276740.74074074073 - (coded - {WORST}) / 7e-6) * 3.6083462474735337e-6)"
        " / 3 - 2.0943951023931953) + 53.333333333333336",
    ),
    ("left_of_it", "greatest(rating - enlarged, 0)"),
    (
        "opinion",
        "case when enlarged > 0 and coded is not null then greatest("
        f"{WORST} + 0.0385 * left_of_it + left_of_it * (left_of_it - 60) * (100 - left_of_it) * 7e-6, {WORST}) "
        "else coded end",
    ),
)
"""The opinion of a rendition on a screen, from bitrate, sizes and codec."""

MEMORY = 6
"""The worst parts are remembered: P.1203.3 weighs a second by t4 - t5 * opinion, which is in proportion to 6 - opinion
(t4 = 0.143179745, t5 = 0.0238641565). A mean so weighed falls when a good part gets better still. The mean of
(6 - opinion)³ is the one that weighs small differences in the same way and never does."""

HANDHELD = ("mobile",)
"""On a small screen in the hand the same picture looks better (P.1203.1, for handheld devices)."""


def handheld(opinion: str) -> str:
    """The opinion on a screen in the hand; htv1 to htv4."""
    return f"(-0.60293 + 2.12382 * {opinion} - 0.36936 * power({opinion}, 2) + 0.03409 * power({opinion}, 3))"


MEAN = f"({MEMORY} - power(picture_gap_ms / nullif(picture_known_ms, 0), 1.0 / 3))"
"""A session's opinion, from its sums."""
_DEVICES = ", ".join(f"'{name}'" for name in HANDHELD)
SHARE = (
    f"case when device_type in ({_DEVICES}) then ({handheld(MEAN)} - 1) / ({handheld(str(BEST))} - 1) "
    f"else ({MEAN} - 1) / ({BEST} - 1) end"
)
"""Its place between the worst opinion and the best that the model can tell, 0 to 1."""
