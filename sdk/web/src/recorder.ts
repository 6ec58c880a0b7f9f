/** Recorder: an event ends an interval; the intervals of a session tile it without overlap. */

import { Options, consents } from "./options";
import { Post } from "./post";
import { Context, EventType, Fields, NEXT, PlayerEvent, Session, State, merge, positive, uuid } from "./states";

const HEARTBEAT_MS = 10000, PAUSED_HEARTBEAT_MS = 30000, LONGEST_MS = 86400000, MOST_EVENTS = 20000;
const ASLEEP_MS = 15000; // without a tick and without a moving playhead
const LIVE_FROM_S = 24 * 86400; // players write live as an endless or an absurd length

type Conditions = Pick<PlayerEvent,
  "hidden" | "rate" | "bitrate_kbps" | "cdn" | "width" | "height" | "player_width" | "player_height">;

export class Recorder {
  id = "";
  state: State = "idle";
  /** Frames have moved. */
  started = false;
  /** The session has ended. */
  closed = false;
  readonly post: Post;

  protected context: Session;
  protected since = 0;
  protected beatAt = 0;
  protected mark = 0;
  /** Where the playhead was when the element last told of it, in seconds. */
  protected last = 0;
  protected tickedAt = performance.now();
  protected tickedS = 0;
  protected ad = false;
  /** The element shows an ad's own source, whose length is not the content's. */
  protected foreign = false;
  protected kbps: number | undefined;
  protected cdnName: string | undefined;
  private firstCdn: string | undefined;
  private endless: boolean | undefined;
  private seq = 0;
  private startedAt: number | undefined;
  private startupMs = 0;
  private dropped = 0;
  private conditions: Conditions = {};

  constructor(readonly video: HTMLVideoElement, protected readonly options: Options) {
    this.post = new Post(options.url, options.key, consents(options));
    this.context = merge({ user_agent: navigator.userAgent }, options.session);
  }

  protected renew(): void {
    this.id = uuid();
    this.startedAt = undefined;
    this.seq = this.startupMs = 0;
    this.state = "idle";
    this.since = performance.now();
    this.started = this.closed = this.ad = false;
    this.endless = undefined;
    this.last = 0;
    this.firstCdn = this.cdnName;
    this.dropped = this.frames();
    this.refresh();
  }

  protected forget(): void {
    this.context = merge(this.context);
    delete this.context.content_id;
    delete this.context.content_title;
    delete this.context.content_series;
    delete this.context.content_type;
    delete this.context.content_duration_ms;
    this.kbps = undefined;
  }

  protected frames(): number {
    const v = this.video;
    return v.getVideoPlaybackQuality ? v.getVideoPlaybackQuality().droppedVideoFrames : 0;
  }

  protected bufferedS(): number {
    const ranges = this.video.buffered;
    return ranges && ranges.length ? ranges.end(ranges.length - 1) : 0;
  }

  protected isLive(): boolean | undefined {
    const said = this.context.content_type, player = this.options.player, length = this.video.duration;
    if (said) return said === "live";
    const live = player && player.live && player.live();
    if (live !== undefined) return live;
    if (length === length) this.endless = length >= LIVE_FROM_S;
    return this.endless;
  }

  // What holds from now on, and is told with the interval that follows.
  protected refresh(): void {
    const v = this.video, scale = window.devicePixelRatio || 1;
    this.conditions = {
      hidden: document.visibilityState === "hidden" || undefined,
      rate: v.playbackRate === 1 ? undefined : Math.round(v.playbackRate * 100) / 100,
      bitrate_kbps: this.kbps, cdn: this.cdnName,
      width: positive(v.videoWidth), height: positive(v.videoHeight),
      player_width: positive(v.clientWidth * scale), player_height: positive(v.clientHeight * scale),
    };
    this.mark = v.currentTime;
  }

  /** Whether the size on screen is another. */
  get resized(): boolean {
    return positive(this.video.clientWidth * (window.devicePixelRatio || 1)) !== this.conditions.player_width;
  }

  protected build(type: EventType, fields: Fields | undefined, at: number): PlayerEvent {
    const ms = Math.min(LONGEST_MS, Math.max(0, Math.round(at) - Math.round(this.since)));
    const v = this.video, event: PlayerEvent = merge({
      seq: this.seq + 1, at: Date.now() - Math.round(performance.now() - at), type: type, state: this.state, state_ms: ms,
      ad: this.ad || undefined, dropped_frames: positive(this.frames() - this.dropped),
      playhead_ms: this.isLive() === false ? Math.round((v.duration ? v.currentTime : this.last) * 1000) : undefined,
    }, merge(this.conditions, fields));
    if (this.state === "starting" && (/finish|fail/.test(type) || this.after(type) !== "starting")) {
      event.startup_ms = this.startupMs + ms;
    }
    return event;
  }

  protected after(type: EventType): State {
    if (type === "playback_request" && this.state === "paused" && !this.started) return "starting";
    return (NEXT[this.state] || {})[type] || this.state;
  }

  protected commit(event: PlayerEvent, at: number, context?: Context): void {
    if (this.closed || this.seq >= MOST_EVENTS) return;
    event.seq = ++this.seq;
    if (this.state === "starting") this.startupMs += event.state_ms;
    if (event.type === "playback_request" && this.startedAt === undefined) this.startedAt = event.at;
    this.state = this.after(event.type);
    this.since = at;
    this.dropped = this.frames();
    this.refresh();
    this.beatAt = performance.now() + (this.state === "paused" ? PAUSED_HEARTBEAT_MS : HEARTBEAT_MS);
    this.post.add(context || this.session(), event);
    if (this.options.onEvent) this.options.onEvent(event);
  }

  protected emit(type: EventType, fields?: Fields, at?: number): void {
    if (at === undefined && !this.closed) this.wakes();
    if (this.closed) return;
    const when = at === undefined ? performance.now() : at;
    this.commit(this.build(type, fields, when), when);
  }

  protected session(): Context {
    const length = this.video.duration, live = this.isLive();
    const context: Context = merge({
      session_id: this.id, started_at: this.startedAt,
      content_duration_ms: this.foreign ? undefined : positive(length * 1000),
      content_type: live === undefined || this.foreign ? undefined : live ? "live" as const : "vod" as const,
      source: "sdk" as const,
    }, merge(this.context, { cdn: this.firstCdn }));
    if (live) delete context.content_duration_ms;
    return context;
  }

  protected serve(name: string): void {
    if (name === this.cdnName) return;
    const known = this.cdnName !== undefined && this.state !== "idle";
    if (known) this.emit("cdn_change", { next_cdn: name });
    else this.firstCdn = name;
    this.cdnName = name;
    this.refresh();
  }

  // A machine that slept did not play: the time without a tick is a pause.
  protected wakes(): void {
    const v = this.video, before = this.tickedAt, now = performance.now(), gap = now - before;
    this.tickedAt = now;
    if (gap < ASLEEP_MS || this.state !== "playing" || this.closed ||
        v.currentTime - this.tickedS > gap * v.playbackRate / 2000) return;
    this.emit("playback_pause", undefined, Math.max(before, this.since));
    if (!v.paused) this.emit("playback_request");
  }
}
