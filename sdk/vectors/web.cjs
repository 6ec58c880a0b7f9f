// Replays vectors against the web client: `node web.cjs CLIENT.js VECTORS.json…` prints what it sent, as JSON.
// A page is an element that behaves as HTML says, a clock that a script moves, and a network that answers as told.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const WALL_MS = 1762000000000, UPTIME_MS = 60000, TICK_MS = 250, ANSWER_MS = 20;

class Target {
  constructor() { this.listeners = {}; }
  addEventListener(type, listener) { (this.listeners[type] = this.listeners[type] || []).push(listener); }
  removeEventListener(type, listener) {
    this.listeners[type] = (this.listeners[type] || []).filter((other) => other !== listener);
  }
  tell(type, more) {
    for (const listener of (this.listeners[type] || []).slice()) listener({ type, target: this, ...more });
  }
}

class Clock {
  constructor() {
    this.now = 0; // since the script began
    this.wallOffset = 0;
    this.timers = new Map();
    this.count = 0;
  }
  set(callback, ms, every) {
    this.timers.set(++this.count, { at: this.now + Math.max(0, ms || 0), callback, every });
    return this.count;
  }
  // Runs what is due up to a time, in order; the oldest first.
  runTo(end) {
    for (;;) {
      let due;
      for (const [id, timer] of this.timers) if (timer.at <= end && (!due || timer.at < due[1].at)) due = [id, timer];
      if (!due) break;
      const [id, timer] = due;
      this.now = Math.max(this.now, timer.at);
      if (timer.every) timer.at = this.now + timer.every;
      else this.timers.delete(id);
      timer.callback();
    }
    this.now = end;
  }
  // Time passes and nobody notices: what was due meanwhile runs once, at the end.
  sleep(ms) {
    this.now += ms;
    for (const timer of this.timers.values()) timer.at = Math.max(timer.at, this.now);
  }
}

class Video extends Target {
  constructor(clock) {
    super();
    Object.assign(this, {
      clock, src: "", currentSrc: "", paused: true, ended: false, seeking: false, loop: false, autoplay: false, error: null,
      duration: NaN, playbackRate: 1, videoWidth: 0, videoHeight: 0, clientWidth: 0, clientHeight: 0, dropped: 0,
      bufferedS: 0, moving: false, headS: 0, movedAt: 0,
    });
    this.buffered = { get length() { return 1; }, end: () => this.bufferedS };
    clock.set(() => { if (this.moving) this.tell("timeupdate"); }, TICK_MS, TICK_MS);
  }
  get currentTime() {
    return this.moving ? this.headS + ((this.clock.now - this.movedAt) / 1000) * this.playbackRate : this.headS;
  }
  settle(moving) {
    this.headS = this.currentTime;
    this.movedAt = this.clock.now;
    this.moving = moving;
  }
  getVideoPlaybackQuality() { return { droppedVideoFrames: this.dropped }; }
}

class Page {
  constructor(clock, storage, sent, network) {
    this.clock = clock;
    const window = new Target(), document = new Target();
    document.visibilityState = "visible";
    this.window = window;
    this.document = document;
    this.navigator = {
      userAgent: "vectors", onLine: network.online,
      sendBeacon: (url, blob) => {
        sent.push({ at: clock.now, way: "exit", body: JSON.parse(blob.text) });
        return true;
      },
    };
    this.resized = [];
    const page = this;
    let ids = 0;
    this.globals = vm.createContext({
      window, document, navigator: this.navigator, localStorage: storage,
      performance: { now: () => UPTIME_MS + clock.now },
      crypto: { randomUUID: () => `${network.pages}-${++ids}` },
      Blob: class { constructor(parts) { this.text = parts.join(""); } },
      ResizeObserver: class {
        constructor(callback) { this.callback = callback; }
        observe() { page.resized.push(this.callback); }
        disconnect() { page.resized = page.resized.filter((other) => other !== this.callback); }
      },
      setTimeout: (callback, ms) => clock.set(callback, ms), clearTimeout: (id) => clock.timers.delete(id),
      setInterval: (callback, ms) => clock.set(callback, ms, ms), clearInterval: (id) => clock.timers.delete(id),
      fetch: (url, request) => ({ then: (answered, failed) => {
        const body = JSON.parse(request.body), lost = !network.online;
        const [status, retryAfter] = network.refusals.length && !lost ? network.refusals.shift() : [200, null];
        if (!lost) sent.push({ at: clock.now, way: "post", status, body });
        clock.set(() => lost ? failed(new TypeError("offline")) : answered({
          status, headers: { get: () => retryAfter },
        }), ANSWER_MS);
      } }),
    });
    vm.runInContext(`Date.now = () => ${WALL_MS} + clockOf();`, Object.assign(this.globals, {
      clockOf: () => clock.now + clock.wallOffset,
    }));
    vm.runInContext("Math.random = () => 0.5;", this.globals);
  }
}

function empty(video) { // when the event comes, position and length are gone
  video.settle(false);
  video.paused = true;
  video.headS = 0;
  video.duration = NaN;
  video.tell("emptied");
  video.tell("timeupdate");
}

function load(video, source, durationS) {
  video.src = video.currentSrc = source;
  video.duration = durationS === undefined ? 600 : durationS === null ? Infinity : durationS;
  video.headS = 0;
  video.error = null;
  video.ended = video.seeking = false;
  video.tell("loadstart");
  video.tell("loadedmetadata");
}

// What a script may say, and what an element, a library or an app then does. `p`: page, v: element, w: watcher.
const SIGNALS = {
  load: (p, v, w, x) => load(v, x.source, x.duration_s),
  play: (p, v) => {
    v.paused = false;
    if (v.ended) {
      v.ended = false;
      v.headS = 0;
      v.seeking = true;
      v.tell("seeking");
    }
    v.tell("play");
  },
  frames: (p, v) => {
    v.settle(true);
    if (v.seeking) {
      v.seeking = false;
      v.tell("seeked");
    }
    v.tell("playing");
  },
  still: (p, v) => v.settle(false),
  creep: (p, v) => v.settle(true),
  starve: (p, v) => {
    v.settle(false);
    v.tell("waiting");
  },
  seek: (p, v, w, x) => {
    v.settle(false);
    v.headS = x / 1000;
    v.seeking = true;
    v.ended = false;
    v.tell("seeking");
    if (!v.paused) v.tell("waiting");
  },
  loop: (p, v) => {
    v.settle(false);
    v.headS = 0;
    v.seeking = true;
    v.tell("seeking");
    v.tell("waiting");
  },
  pause: (p, v) => {
    v.settle(false);
    v.paused = true;
    v.tell("timeupdate");
    v.tell("pause");
  },
  end: (p, v) => {
    v.settle(false);
    v.headS = v.duration;
    v.ended = v.paused = true;
    v.tell("timeupdate");
    v.tell("pause");
    v.tell("ended");
  },
  rate: (p, v, w, x) => {
    v.settle(v.moving);
    v.playbackRate = x;
    v.tell("ratechange");
  },
  hide: (p) => {
    p.document.visibilityState = "hidden";
    p.document.tell("visibilitychange");
  },
  show: (p) => {
    p.document.visibilityState = "visible";
    p.document.tell("visibilitychange");
  },
  rendition: (p, v, w, x) => w.rendition(x),
  cdn: (p, v, w, x) => w.cdn(x),
  video_size: (p, v, w, [width, height]) => {
    v.videoWidth = width;
    v.videoHeight = height;
    v.tell("resize");
  },
  player_size: (p, v, w, [width, height]) => {
    v.clientWidth = width;
    v.clientHeight = height;
    p.resized.forEach((callback) => callback());
  },
  drop: (p, v, w, x) => { v.dropped += x; },
  buffer: (p, v, w, x) => { v.bufferedS = x / 1000; },
  error: (p, v, w, x) => w.error(x.code, { business: x.business }),
  fatal: (p, v, w, x) => w.report(x.code, { fatal: true, business: x.business }),
  broken: (p, v, w, x) => {
    v.settle(false);
    v.error = { code: x };
    v.tell("error");
  },
  give_up: (p, v, w, x) => w.error(x.code, { fatal: true, business: x.business }),
  ad_start: (p, v, w, x) => w.adBreakStart(x),
  ad_end: (p, v, w, x) => w.adBreakEnd(x),
  content: (p, v, w, x) => w.setContent(x),
  dimensions: (p, v, w, x) => w.setDimensions(x),
  event: (p, v, w, x) => w.event(x.type, x),
  source: (p, v, w, x) => {
    empty(v);
    load(v, x.source, x.duration_s);
  },
  unload: (p, v) => {
    v.src = v.currentSrc = "";
    empty(v);
  },
  autoplay: (p, v) => { v.autoplay = true; },
  blocked: (p, v) => v.tell("canplaythrough"),
  loops: (p, v) => { v.loop = true; },
  exit: (p) => p.window.tell("pagehide", { persisted: false }),
  leave: (p) => p.window.tell("pagehide", { persisted: true }),
  return: (p) => p.window.tell("pageshow", { persisted: true }),
  freeze: (p) => p.document.tell("freeze"),
  end_session: (p, v, w, x) => w.end(x),
  stop: (p, v, w) => w.stop(),
  consent: (p, v, w, x) => w.setConsent(x),
};

function replay(vector, client) {
  const clock = new Clock(), sent = [], network = { online: true, refusals: [], pages: 0 }, storage = {};
  Object.defineProperties(storage, {
    getItem: { value: (name) => storage[name] === undefined ? null : storage[name] },
    setItem: { value: (name, text) => { storage[name] = text; } },
    removeItem: { value: (name) => { delete storage[name]; } },
  });
  let page, players;

  function open() {
    network.pages += 1;
    clock.timers.clear();
    page = new Page(clock, storage, sent, network);
    client.runInContext(page.globals);
    players = new Map();
  }
  function player(number) {
    if (players.has(number)) return players.get(number);
    const video = new Video(clock), options = (vector.options || [])[number - 1] || {};
    const watcher = page.globals.qoescope.watch(video, {
      url: "https://collector.example/v1/beacons", key: "qw_x", session: vector.session, ...options,
    });
    players.set(number, { video, watcher });
    return players.get(number);
  }

  const around = {
    sleep: (x) => {
      const moved = [...players.values()].filter(({ video }) => video.moving);
      for (const { video } of moved) video.settle(false);
      clock.sleep(x);
      for (const { video } of moved) video.settle(true);
    },
    throttled: (x) => clock.sleep(x),
    clock: (x) => { clock.wallOffset += x; },
    offline: () => { network.online = page.navigator.onLine = false; },
    online: () => {
      network.online = page.navigator.onLine = true;
      page.window.tell("online");
    },
    refuse: (x) => network.refusals.push(x),
    reload: () => open(),
    do_not_track: () => { page.navigator.doNotTrack = "1"; },
    gpc: () => { page.navigator.globalPrivacyControl = true; },
    wait: () => undefined,
  };

  open();
  for (const [at, signal, value, number] of vector.script) {
    clock.runTo(Math.max(at, clock.now));
    if (around[signal]) around[signal](value);
    else if (!SIGNALS[signal]) throw new Error(`${vector.name}: no signal ${signal}`);
    else {
      const { video, watcher } = player(number || 1);
      SIGNALS[signal](page, video, watcher, value);
    }
  }
  return { name: vector.name, sent, stored: Object.keys(storage).length };
}

const [clientPath, ...files] = process.argv.slice(2);
const client = new vm.Script(fs.readFileSync(clientPath, "utf8"), { filename: clientPath });
const vectors = files.flatMap((file) => JSON.parse(fs.readFileSync(file, "utf8")));
process.stdout.write(JSON.stringify(vectors.map((vector) => replay(vector, client))));
