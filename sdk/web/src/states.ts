/** States: which player state each event leads to, and what an event and a session hold on the wire. */

export type State = "idle" | "starting" | "playing" | "stalled" | "seeking" | "resuming" | "paused";

export type EventType =
  | "playback_request" | "playback_start" | "playback_stall" | "playback_pause" | "playback_finish" | "playback_fail"
  | "rendition_update" | "player_resize" | "ad_break_start" | "ad_break_end" | "seek_start" | "seek_end" | "heartbeat"
  | "error" | "cdn_change" | "visibility_change";

/** What an event may hold beside its type. */
export interface Fields {
  next_bitrate_kbps?: number;
  next_cdn?: string;
  error_code?: string;
  error_class?: "technical" | "business";
  reason?: "finished" | "exited";
}

/** An event: the state that ended, for how long, and what held meanwhile. */
export interface PlayerEvent extends Fields {
  seq: number;
  at: number;
  type: EventType;
  state: State;
  state_ms: number;
  ad?: boolean;
  hidden?: boolean;
  rate?: number;
  bitrate_kbps?: number;
  width?: number;
  height?: number;
  player_width?: number;
  player_height?: number;
  cdn?: string;
  dropped_frames?: number;
  playhead_ms?: number;
  startup_ms?: number;
}

/** What is played; a change of it is another viewing. */
export interface Content {
  content_id?: string;
  content_title?: string;
  content_series?: string;
  content_type?: "vod" | "live";
  content_duration_ms?: number;
}

/** What is true of viewer, device and app; unknown fields stay absent. */
export interface Dimensions {
  viewer_id?: string;
  stream_format?: "hls" | "dash" | "smooth" | "other";
  device_type?: "smart_tv" | "mobile" | "tablet" | "web" | "console" | "set_top_box" | "other";
  device_model?: string;
  os?: string;
  os_version?: string;
  browser?: string;
  browser_version?: string;
  user_agent?: string;
  app_version?: string;
  player_name?: string;
  player_version?: string;
  network_type?: "wifi" | "ethernet" | "cellular_5g" | "cellular_4g" | "cellular_3g" | "other";
  cdn?: string;
  cdn_pop?: string;
  drm?: "none" | "widevine" | "playready" | "fairplay";
  video_codec?: "avc" | "hevc" | "av1" | "vp9";
  experiment?: string;
  variant?: string;
}

export interface Session extends Content, Dimensions {}

/** The session's context as it is sent. */
export interface Context extends Session {
  session_id: string;
  started_at?: number;
  source: "sdk";
}

/** (state, event) → next state. Not listed: the state stays. */
export const NEXT: { [state: string]: { [event: string]: State } } = {
  idle: { playback_request: "starting" },
  starting: { playback_start: "playing", playback_pause: "paused" },
  playing: {
    playback_stall: "stalled", seek_start: "seeking", playback_pause: "paused",
    ad_break_start: "resuming", ad_break_end: "resuming",
  },
  stalled: { playback_start: "playing", seek_start: "seeking", playback_pause: "paused" },
  seeking: { seek_end: "playing", playback_start: "playing", playback_pause: "paused" },
  resuming: { playback_start: "playing", seek_start: "seeking", playback_pause: "paused" },
  paused: { playback_request: "resuming", playback_start: "playing" },
};

/** Both together, without what is undefined; the second wins. */
export function merge<A extends object, B extends object>(first: A, second?: B): A & B {
  const all: { [name: string]: unknown } = {};
  [first, second].forEach(function (part) {
    const from = (part || {}) as { [name: string]: unknown };
    Object.keys(from).forEach(function (name) {
      if (from[name] != null) all[name] = from[name];
    });
  });
  return all as A & B;
}

/** A whole number above 0, or undefined. */
export function positive(n: number | undefined): number | undefined {
  return n !== undefined && n > 0 && isFinite(n) ? Math.round(n) : undefined;
}

export function uuid(): string {
  if (typeof crypto !== "undefined" && crypto.randomUUID) return crypto.randomUUID();
  return "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx".replace(/x/g, function () {
    return ((Math.random() * 16) | 0).toString(16);
  });
}
