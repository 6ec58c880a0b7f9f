/** Watcher: what app, element and library tell, as events. */

import { Ending, NUDGE_S, SAME_FAILURE_MS, STILL_MS, WAITING } from "./ending";
import { ErrorDetails, Options } from "./options";
import { Content, Dimensions, EventType, Fields, merge, positive } from "./states";

const AUTOPLAY_MS = 5000; // until an autoplay that has not begun is told of
const MOVED_S = 0.05; // the playhead has to move so far for frames to move
const TICK_MS = 1000;

export class Watcher extends Ending {
  private nudged = false;
  private loopedAt = 0;
  private rolling = false;
  private left = false;
  private named = false;
  private src: string | undefined;
  private described = false;
  private undo: Array<() => void> = [];

  constructor(video: HTMLVideoElement, options: Options) {
    super(video, options);
    this.renew();
    if (this.context.cdn) this.cdn(this.context.cdn);
    if (options.player) this.context = merge(options.player.attach(this), this.context);
    this.source();
    if (!video.paused && !video.ended) this.press();
    else this.autoplay();
    const beat = setInterval(() => this.beat(), TICK_MS);
    this.cleanup(function () { clearInterval(beat); });
  }

  // What the app may say.

  /** What is played from now on, or from the next source on; another `content_id` is another viewing. */
  setContent(content: Content): void {
    const known = this.context.content_id;
    const changed = content.content_id !== undefined && content.content_id !== known;
    const other = changed && this.state !== "idle" && known !== undefined;
    if (other) {
      this.rolling = this.state === "playing" && !this.closed;
      this.close("playback_finish", { reason: "exited" });
      this.renew();
    }
    if (changed) this.forget();
    this.context = merge(this.context, content);
    this.described = this.state === "idle";
  }

  /** Adds to what is true of viewer, device and app, from the next event on. */
  setDimensions(dimensions: Dimensions): void {
    if (dimensions.cdn) this.cdn(dimensions.cdn);
    this.context = merge(this.context, dimensions);
  }

  /** Nothing was or is sent or stored without it; `false` forgets what waits. */
  setConsent(consent: boolean): void {
    this.post.setConsent(consent);
  }

  /** An event that neither the element nor its library tells. */
  event(type: EventType, fields?: Fields): void {
    if (type === "playback_finish" || type === "playback_fail") this.close(type, fields);
    else if (this.state !== "idle") this.emit(type, fields);
  }

  /** An error that playback survives, or a `fatal` one, which ends the session unless frames move again. */
  error(code?: string | number | null, details?: ErrorDetails): void {
    this.report(code, details, true);
  }

  /** `stitched`: the picture does not stand still at the edge. */
  adBreakStart(how?: { stitched?: boolean }): void { this.edge(true, how); }
  adBreakEnd(how?: { stitched?: boolean }): void { this.edge(false, how); }

  /** The bitrate on screen. */
  rendition(kbps: number | undefined): void {
    const next = positive(kbps);
    if (next === undefined || next === this.kbps) return;
    this.kbps = next;
    if (this.state !== "idle") this.emit("rendition_update", { next_bitrate_kbps: next });
    this.refresh();
  }

  /** The CDN that serves from now on; hosts of segments are then no longer taken for it. */
  cdn(name: string): void {
    this.named = true;
    this.serve(name);
  }

  /** Ends the session, by default because the viewer left; the next play begins another one. */
  end(reason?: "finished" | "exited"): void {
    this.close("playback_finish", { reason: reason || "exited" });
  }

  /** Ends the session and lets go of the element. */
  stop(): void {
    this.end();
    this.undo.forEach(function (undo) { undo(); });
    this.undo = [];
    this.post.flush();
  }

  // What an element or its library tells.

  /** A segment came from this host. */
  servedBy(host: string): void {
    if (!this.named) this.serve(host);
  }

  /** Runs when the element is let go. */
  cleanup(undo: () => void): void {
    this.undo.push(undo);
  }

  /** Play was pressed. */
  press(): void {
    if (this.closed) {
      if (this.ad) return; // a post-roll
      this.renew();
    }
    this.source();
    if (this.held) return; // tried again: frames will tell
    if (this.state === "idle") this.begin(this.pressedAt || performance.now());
    else if (this.state === "paused") this.emit("playback_request");
    if (this.failure && this.video.error) this.hold("playback_fail", this.failure.fields);
  }

  /** Frames move. */
  moves(): void {
    const first = !this.started;
    if (this.held) this.revive();
    if (this.closed) {
      if (!this.failed || this.ad) return;
      this.renew();
    }
    if (this.state === "idle") this.press();
    if (this.state === "playing") return;
    if (this.state === "paused" && first) this.emit("playback_request");
    this.emit(this.state === "seeking" ? "seek_end" : "playback_start");
    this.started = true;
    if (first) this.post.flush();
  }

  /** The element ran out of data. */
  waits(): void {
    const v = this.video;
    if (this.held || this.closed || this.loopedAt) return;
    if (v.seeking && !this.nudged) return this.seeks();
    if (v.ended || v.paused) return;
    if (this.failure && !this.survives()) this.hold("playback_fail", this.failure.fields);
    else if (this.state === "playing") this.emit("playback_stall");
  }

  seeks(): void {
    const v = this.video, rate = Math.max(1, v.playbackRate);
    if (v.loop && v.currentTime < 1 && this.last > v.duration - rate) {
      this.loopedAt = performance.now();
      return;
    }
    this.nudged = Math.abs(v.currentTime - this.last) < NUDGE_S * rate;
    if (this.state === "resuming" || (!this.nudged && (this.state === "playing" || this.state === "stalled"))) {
      this.emit("seek_start");
    }
  }

  sought(): void {
    this.mark = this.video.currentTime;
    this.nudged = false;
    this.loopedAt = 0;
  }

  pauses(): void {
    if (this.video.ended || this.state === "idle" || this.state === "paused") return;
    const failure = this.failure;
    if (failure && performance.now() - failure.at < SAME_FAILURE_MS) this.hold("playback_fail", failure.fields);
    else this.emit("playback_pause");
  }

  ends(): void {
    if (this.held) this.revive();
    if (this.ad) this.emit("playback_finish", { reason: "finished" });
    else this.close("playback_finish", { reason: "finished" });
  }

  /** The playhead may have moved. */
  ticks(): void {
    const v = this.video;
    if ((this.held || this.failed || WAITING.test(this.state)) && !v.paused && !v.seeking &&
        v.currentTime - this.mark > MOVED_S) this.moves();
    this.survives();
    this.last = v.currentTime;
  }

  /** Nothing is loaded any more: the viewer left, unless the same source is loaded again. */
  empties(): void {
    if (this.state === "idle" || this.closed || this.held || this.ad) return;
    if (this.failure) this.hold("playback_fail", this.failure.fields);
    else this.hold("playback_finish", { reason: "exited" });
  }

  /** Something is loaded: another source is another viewing. */
  source(): void {
    const player = this.options.player, v = this.video;
    const now = player && player.source ? player.source() : v.currentSrc || v.src;
    if (!now) return;
    this.foreign = this.ad && now !== this.src;
    if (this.ad) return;
    if (this.src !== undefined && now !== this.src) {
      if (this.state !== "idle") {
        this.close("playback_finish", { reason: "exited" });
        this.renew();
      }
      if (!this.described && now.split(/[?#]/)[0] !== this.src.split(/[?#]/)[0]) this.forget();
      this.rolling = false;
    } else if (this.held && this.held.event.type === "playback_finish") {
      this.revive();
      if (v.paused && !v.autoplay && this.state === "stalled") this.emit("playback_pause");
    }
    if (now !== this.src) this.described = false;
    this.src = now;
  }

  /** An element that plays by itself is asked to when it begins to load. */
  autoplay(): void {
    const v = this.video;
    if (v.autoplay && v.paused && this.state === "idle" && (v.currentSrc || v.src)) {
      this.pressedAt = performance.now();
    }
  }

  /** All is there and nothing plays: autoplay is not allowed here. */
  blocked(): void {
    if (!this.video.paused) return;
    this.pressedAt = 0;
    if (this.state === "starting") this.emit("playback_pause");
  }

  /** Cuts the interval, because what holds has changed. */
  cut(type: EventType): void {
    if (this.state !== "idle") this.emit(type);
    this.refresh();
  }

  /** Page or tab goes: all that is known leaves. */
  leaves(): void {
    if (this.pressedAt && this.state === "idle") this.begin(this.pressedAt);
    if (this.state !== "idle" && !this.closed) {
      this.left = true;
      this.end();
    }
    this.post.leave();
  }

  /** The page is shown again as it was left: the same viewing, paused meanwhile. */
  returns(): void {
    if (!this.left) return;
    this.left = this.closed = this.failed = false;
    this.state = "paused";
    this.tickedAt = performance.now();
    if (!this.video.paused) this.emit("playback_request");
  }

  // How it works.

  protected renew(): void {
    super.renew();
    this.loopedAt = 0;
    this.nudged = this.left = false;
  }

  // Other content in the same source: its frames have moved since it was named.
  private goesOn(): void {
    const at = this.since;
    this.begin(at);
    this.emit("playback_start", undefined, at);
    this.started = true;
  }

  private beat(): void {
    const v = this.video;
    this.wakes();
    const now = performance.now();
    this.tickedS = v.currentTime;
    if (this.held) {
      if (this.overdue()) this.end();
    } else if (this.pressedAt && now - this.pressedAt >= AUTOPLAY_MS) {
      this.begin(this.pressedAt);
    } else if (this.rolling) {
      this.rolling = false;
      if (!v.paused) this.goesOn();
    } else if (this.loopedAt && v.seeking && now - this.loopedAt >= STILL_MS) {
      if (this.state === "playing") this.emit("playback_stall", undefined, Math.max(this.loopedAt, this.since));
      this.loopedAt = 0;
    } else if (this.state !== "idle" && !this.closed && now >= this.beatAt) {
      this.emit("heartbeat");
    }
    this.post.tick(TICK_MS);
  }
}
