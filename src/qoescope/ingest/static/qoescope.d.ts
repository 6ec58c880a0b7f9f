/** Types of the beacon: `<script src="…/v1/qoescope.js">` makes `qoescope`; CommonJS and bundlers may import it. */
export as namespace qoescope;

/** What is true of a whole session; unknown fields stay absent. */
export interface Session {
  viewer_id?: string;
  content_id?: string;
  content_title?: string;
  content_series?: string;
  content_type?: "vod" | "live";
  content_duration_ms?: number;
  stream_format?: "hls" | "dash" | "smooth" | "other";
  device_type?: "smart_tv" | "mobile" | "tablet" | "web" | "console" | "set_top_box" | "other";
  device_model?: string;
  os?: string;
  os_version?: string;
  browser?: string;
  browser_version?: string;
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

export interface Options {
  /** The collector's write endpoint, `https://…/v1/beacons`. */
  url: string;
  /** A write key of the property. */
  key: string;
  session?: Session;
  /** An hls.js, dash.js or Shaka instance; without one, bitrates and library errors stay unknown. */
  player?: unknown;
  /** Hears each event as it is queued. */
  heard?(event: Readonly<Record<string, string | number | boolean>>): void;
}

export interface Watcher {
  /** Adds to what is true of the session, from the next event on. */
  describe(session: Session): void;
  /** The bitrate on screen changed; only for players that are not known here. */
  rendition(kbps: number): void;
  /** Another CDN serves from now on. */
  cdn(name: string): void;
  /** An error that playback survived, or `fatal`. `business`: a rule did what it should. */
  error(code?: string | number, how?: { fatal?: boolean; business?: boolean }): void;
  /** `stitched`: the picture does not stand still at the edge. */
  adBreakStart(how?: { stitched?: boolean }): void;
  adBreakEnd(how?: { stitched?: boolean }): void;
  /** Ends the session, by default because the viewer left; the next play begins another one. */
  end(reason?: "finished" | "exited"): void;
  /** Ends the session and lets go of the element. */
  stop(): void;
}

export const version: string;

/** Watches the element from now on, and tells the collector. */
export function watch(video: HTMLVideoElement, options: Options): Watcher;
