/** Delivery: events leave in batches and stay queued until they are acknowledged; a repeat is counted once. */

import { Context, PlayerEvent, uuid } from "./states";

const FLUSH_MS = 5000, BATCH = 200, MOST_QUEUED = 2000, EXIT_BYTES = 60000;
const ANSWER_MS = 15000, FIRST_RETRY_MS = 1000, LONGEST_RETRY_MS = 30000;
const UNSENT = "qoescope.unsent.";

interface Batch {
  session: Context;
  events: PlayerEvent[];
  sending?: boolean;
}

type Answered = (status: number, retryAfter: string | null) => void;

export class Post {
  batches: Batch[] = [];
  private retryMs = FIRST_RETRY_MS;
  private busy = false;
  private stopped = false;
  private timer = 0;
  private waitedMs = 0;
  private readonly id = uuid();

  /** Nothing is sent or stored before `consent`. */
  constructor(private readonly url: string, private readonly key: string, private consent: boolean) {
    if (consent) this.resume();
  }

  add(session: Context, event: PlayerEvent): void {
    const last = this.batches[this.batches.length - 1];
    if (this.stopped) return;
    if (last && last.session.session_id === session.session_id && last.events.length < BATCH && !last.sending) {
      last.events.push(event);
      last.session = session; // the newest knows most
    } else {
      this.batches.push({ session: session, events: [event] });
    }
    let queued = 0;
    this.batches.forEach(function (batch) { queued += batch.events.length; });
    if (queued > MOST_QUEUED) this.batches.splice(this.batches[0]!.sending ? 1 : 0, 1); // the gap in seq tells
  }

  /** Call it every so many ms: what has waited for long enough leaves. */
  tick(ms: number): void {
    this.waitedMs = this.batches.length ? this.waitedMs + ms : 0;
    if (this.waitedMs >= FLUSH_MS) this.flush();
  }

  flush(): void {
    const batch = this.batches[0];
    this.waitedMs = 0;
    if (!batch || this.busy || this.stopped || this.timer || !this.consent) return;
    if (navigator.onLine === false) return; // "online" flushes
    this.busy = batch.sending = true;
    this.send(this.body(batch), (status, retryAfter) => {
      if (status === 0 || status === 429 || status === 408 || status >= 500) return this.later(Number(retryAfter) * 1000);
      if (status === 401 || status === 403 || status === 410) this.stop();
      this.done(batch);
    });
  }

  /** Sends what waits without another pause: the network is back. */
  hurry(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    this.retryMs = FIRST_RETRY_MS;
    this.flush();
  }

  /** On exit nothing waits for an answer: all that is not acknowledged goes once more, what cannot go is stored. */
  leave(): void {
    if (!this.consent) return;
    const url = this.url + (this.url.indexOf("?") < 0 ? "?" : "&") + "key=" + encodeURIComponent(this.key);
    this.store(this.batches.filter((batch) =>
      navigator.onLine === false || !navigator.sendBeacon ||
        !navigator.sendBeacon(url, new Blob([this.body(batch)], { type: "text/plain" }))
    ));
  }

  /** `false` forgets what waits and what is stored. */
  setConsent(consent: boolean): void {
    this.consent = consent;
    if (consent) return this.hurry();
    this.batches = [];
    this.store([]);
  }

  private body(batch: Batch): string {
    return JSON.stringify({ session: batch.session, events: batch.events, sent_at: Date.now() });
  }

  private send(body: string, answered: Answered): void {
    if (typeof fetch === "undefined") { // televisions of 2016
      const request = new XMLHttpRequest();
      request.open("POST", this.url);
      request.timeout = ANSWER_MS;
      request.setRequestHeader("Content-Type", "application/json");
      request.setRequestHeader("Authorization", "Bearer " + this.key);
      request.onloadend = function () {
        answered(request.status, request.getResponseHeader("Retry-After"));
      };
      request.send(body);
      return;
    }
    fetch(this.url, {
      method: "POST", body: body, keepalive: body.length < EXIT_BYTES, credentials: "omit", mode: "cors",
      signal: typeof AbortSignal !== "undefined" && AbortSignal.timeout ? AbortSignal.timeout(ANSWER_MS) : undefined,
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + this.key },
    }).then(function (answer) {
      answered(answer.status, answer.headers.get("Retry-After"));
    }, function () {
      answered(0, null);
    });
  }

  private done(batch: Batch): void {
    const at = this.batches.indexOf(batch);
    this.busy = false;
    this.retryMs = FIRST_RETRY_MS;
    if (at >= 0) this.batches.splice(at, 1);
    this.flush();
  }

  private later(askedMs: number): void {
    const wait = Math.max(askedMs || 0, this.retryMs * (0.5 + Math.random() / 2));
    this.busy = false;
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.flush();
    }, wait);
  }

  private stop(): void { // the key is not wanted: no retry storm
    this.stopped = true;
    this.batches = [];
  }

  // Each has a place of its own: two players of a page leave together.
  private store(batches: Batch[]): void {
    try {
      const place = UNSENT + this.key + "." + this.id, text = JSON.stringify(batches);
      if (batches.length && text.length < 4 * EXIT_BYTES) localStorage.setItem(place, text);
      else localStorage.removeItem(place);
    } catch (e) { /* no storage: the gap in seq tells */ }
  }

  private resume(): void {
    try {
      Object.keys(localStorage).forEach((place) => {
        if (place.indexOf(UNSENT + this.key + ".") !== 0) return;
        const stored = JSON.parse(localStorage.getItem(place)!) as Batch[];
        localStorage.removeItem(place);
        this.batches = stored.map(function (batch) {
          return { session: batch.session, events: batch.events };
        }).concat(this.batches);
      });
    } catch (e) { /* no storage, or not ours */ }
  }
}
