/** Ending: how a session begins and ends. A failure, or a source that is gone, ends it only if no frame moves again. */

import { ErrorDetails } from "./options";
import { Recorder } from "./recorder";
import { Context, EventType, Fields, PlayerEvent } from "./states";

export const SAME_FAILURE_MS = 1000; // element and library tell of one failure, and the app pauses
export const STILL_MS = 500; // a picture that stands for less goes on: a loop, an error beside the buffer
export const NUDGE_S = 0.5; // libraries skip gaps by seeking a little; that is no viewer's seek
export const WAITING = /^(starting|stalled|seeking|resuming)$/;
const RECOVERY_MS = 30000; // how long a fatal error may take to be survived
const HAND_OVER_MS = 3000; // how long an element may be empty until its source is loaded again

interface Failure {
  fields: Fields;
  at: number;
  bufferedS: number;
}

export class Ending extends Recorder {
  /** The session ended by a failure. */
  protected failed = false;
  protected failure: Failure | undefined;
  /** The end of the session, unless frames move again. */
  protected held: { event: PlayerEvent; at: number; context: Context; moving: boolean } | undefined;
  protected pressedAt = 0;
  private adNext = false;

  protected renew(): void {
    super.renew();
    this.failed = this.adNext = false;
    this.failure = this.held = undefined;
    this.pressedAt = 0;
  }

  protected emit(type: EventType, fields?: Fields, at?: number): void {
    if (!this.held) super.emit(type, fields, at);
  }

  // Too late for frames to move again.
  protected overdue(): boolean {
    const held = this.held!;
    return performance.now() - held.at >= (held.event.type === "playback_fail" ? RECOVERY_MS : HAND_OVER_MS);
  }

  // The session ends here unless frames move again; until then, what happens is no part of it.
  protected hold(type: EventType, fields: Fields, moving = false): void {
    if (this.held || this.closed) return;
    this.wakes();
    const at = performance.now();
    this.held = { event: this.build(type, fields, at), at: at, context: this.session(), moving: moving };
    this.mark = this.video.currentTime;
  }

  // Frames move again, or will: a failure was an error, and what followed is a wait.
  protected revive(): void {
    const held = this.held!, failed = held.event.type === "playback_fail";
    this.held = undefined;
    if (failed) {
      held.event.type = "error";
      delete held.event.startup_ms;
      this.commit(held.event, held.at);
    }
    this.failure = undefined;
    if (this.state === "playing" && (!held.moving || performance.now() - held.at >= STILL_MS)) {
      this.emit("playback_stall", undefined, held.at);
    }
  }

  // A failure is survived once data comes again.
  protected survives(): boolean {
    const failure = this.failure;
    if (!failure) return true;
    if (this.held || performance.now() - failure.at < SAME_FAILURE_MS ||
        this.bufferedS() < failure.bufferedS + NUDGE_S) return false;
    this.failure = undefined;
    this.emit("error", failure.fields);
    return true;
  }

  protected close(type: EventType, fields?: Fields): void {
    if (this.closed || this.state === "idle") return;
    const held = this.held, failure = this.failure;
    this.held = this.failure = undefined;
    if (held) {
      this.failed = held.event.type === "playback_fail";
      this.commit(held.event, held.at, held.context);
    } else {
      if (failure && type === "playback_finish") this.emit("error", failure.fields);
      this.failed = type === "playback_fail";
      this.emit(type, fields);
    }
    this.closed = true;
    this.post.flush();
  }

  /** Of a library or the element; `now`: playback has stopped already. */
  report(code: string | number | null | undefined, details?: ErrorDetails, now?: boolean): void {
    const fields: Fields = { error_code: code == null ? undefined : String(code) };
    if (details && details.business) fields.error_class = "business";
    if (this.closed) return;
    if (!details || !details.fatal) {
      if (this.state !== "idle") this.emit("error", fields);
      return;
    }
    const at = performance.now(), before = this.held;
    if (this.pressedAt && this.state === "idle") this.begin(this.pressedAt);
    if (before && before.event.type === "playback_fail") {
      if (at - before.at < SAME_FAILURE_MS) return;
      this.revive(); // the app has tried again, and failed
    }
    if (!this.failure || at - this.failure.at >= SAME_FAILURE_MS) {
      this.failure = { fields: fields, at: at, bufferedS: this.bufferedS() };
    }
    if (this.state === "idle") return; // nobody waits yet
    if (now || WAITING.test(this.state) || (this.video.error && this.state !== "paused")) {
      // what an app calls fatal may not be: frames may still move
      this.hold("playback_fail", this.failure.fields, now && !this.video.error);
    }
  }

  // Play was pressed at this time.
  protected begin(at: number): void {
    this.pressedAt = 0;
    this.emit("playback_request", undefined, Math.max(at, this.since));
    if (this.adNext) this.edge(true);
  }

  protected edge(begins: boolean, how?: { stitched?: boolean }): void {
    if (this.state === "idle") {
      this.adNext = begins;
      return;
    }
    if (this.ad === begins) return;
    this.emit(begins ? "ad_break_start" : "ad_break_end");
    this.ad = begins;
    if (how && how.stitched && this.state === "resuming") this.emit("playback_start"); // the picture never stood still
  }
}
