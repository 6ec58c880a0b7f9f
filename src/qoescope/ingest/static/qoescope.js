/*! qoescope beacon: watches a <video> and tells what its viewer lives through. No dependencies. Apache-2.0. */
(function (root, make) {
  "use strict";
  if (typeof module === "object" && module.exports) module.exports = make();
  else root.qoescope = make();
})(typeof self !== "undefined" ? self : this, function () {
  "use strict";

  var HEARTBEAT_MS = 10000, PAUSED_HEARTBEAT_MS = 30000, FLUSH_MS = 5000;
  var MOST_EVENTS = 20000, MOST_QUEUED = 2000, BATCH = 200, EXIT_BYTES = 60000, LONGEST_MS = 86400000;
  var ANSWER_MS = 15000, FIRST_RETRY_MS = 1000, LONGEST_RETRY_MS = 30000;
  var NUDGE_S = 0.5; // a library skips gaps in a stall by seeking a little; that is no viewer's seek
  var MOVED_S = 0.05; // the playhead has to move so far for frames to move
  var LEFT = "qoescope.unsent";

  // (state, event) → next state. Not listed: the state stays.
  var NEXT = {
    idle: { playback_request: "starting" },
    starting: { playback_start: "playing", playback_pause: "paused" },
    playing: {
      playback_stall: "stalled", seek_start: "seeking", playback_pause: "paused",
      ad_break_start: "resuming", ad_break_end: "resuming"
    },
    stalled: { playback_start: "playing", seek_start: "seeking", playback_pause: "paused" },
    seeking: { seek_end: "playing", playback_start: "playing", playback_pause: "paused" },
    resuming: { playback_start: "playing", seek_start: "seeking", playback_pause: "paused" },
    paused: { playback_request: "resuming", playback_start: "playing" }
  };

  function uuid() {
    if (typeof crypto !== "undefined" && crypto.randomUUID) return crypto.randomUUID();
    return "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx".replace(/x/g, function () {
      return ((Math.random() * 16) | 0).toString(16);
    });
  }

  function merged(a, b) {
    var all = {}, k;
    for (k in a) if (a[k] != null) all[k] = a[k];
    for (k in b) if (b[k] != null) all[k] = b[k];
    return all;
  }

  function positive(n) {
    return n > 0 && isFinite(n) ? Math.round(n) : undefined;
  }

  // Post: events leave in batches and stay queued until they are acknowledged; a repeat is counted once over there.

  function Post(options) {
    this.url = options.url;
    this.key = options.key;
    this.batches = []; // {session, events}: events of one session, in order
    this.retryMs = FIRST_RETRY_MS;
    this.busy = this.stopped = false;
    this.timer = 0;
  }

  Post.prototype.add = function (session, event) {
    var last = this.batches[this.batches.length - 1], queued = 0, i;
    if (this.stopped) return;
    if (last && last.session.session_id === session.session_id && last.events.length < BATCH && !last.sending) {
      last.events.push(event);
      last.session = session; // the newest knows most
    } else {
      this.batches.push({ session: session, events: [event] });
    }
    for (i = 0; i < this.batches.length; i++) queued += this.batches[i].events.length;
    if (queued > MOST_QUEUED) this.batches.splice(this.batches[0].sending ? 1 : 0, 1); // the gap in seq tells
  };

  Post.prototype.body = function (batch) {
    return JSON.stringify({ session: batch.session, events: batch.events, sent_at: Date.now() });
  };

  Post.prototype.flush = function () {
    var post = this, batch = this.batches[0];
    if (!batch || this.busy || this.stopped || this.timer) return;
    if (typeof navigator !== "undefined" && navigator.onLine === false) return; // "online" flushes
    this.busy = batch.sending = true;
    var body = this.body(batch);
    fetch(this.url, {
      method: "POST", body: body, keepalive: body.length < EXIT_BYTES, credentials: "omit", mode: "cors",
      signal: typeof AbortSignal !== "undefined" && AbortSignal.timeout ? AbortSignal.timeout(ANSWER_MS) : undefined,
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + this.key }
    }).then(function (answer) {
      var again = answer.status === 429 || answer.status === 408 || answer.status >= 500;
      if (again) return post.later(batch, Number(answer.headers.get("Retry-After")) * 1000);
      if (answer.status === 401 || answer.status === 403 || answer.status === 410) post.stop();
      post.done(batch);
    }, function () {
      post.later(batch);
    });
  };

  Post.prototype.done = function (batch) {
    var at = this.batches.indexOf(batch);
    this.busy = false;
    this.retryMs = FIRST_RETRY_MS;
    if (at >= 0) this.batches.splice(at, 1);
    this.flush();
  };

  Post.prototype.later = function (batch, askedMs) {
    var post = this, wait = Math.max(askedMs || 0, this.retryMs * (0.5 + Math.random() / 2));
    this.busy = false;
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    this.timer = setTimeout(function () {
      post.timer = 0;
      post.flush();
    }, wait);
  };

  Post.prototype.hurry = function () {
    clearTimeout(this.timer);
    this.timer = 0;
    this.retryMs = FIRST_RETRY_MS;
    this.flush();
  };

  Post.prototype.stop = function () { // the key is not wanted: no retry storm
    this.stopped = true;
    this.batches = [];
  };

  // On exit nothing waits for an answer: all that is not acknowledged goes once more, what cannot go is kept.
  Post.prototype.leave = function () {
    var url = this.url + (this.url.indexOf("?") < 0 ? "?" : "&") + "key=" + encodeURIComponent(this.key), kept = [], i, body;
    for (i = 0; i < this.batches.length; i++) {
      body = this.body(this.batches[i]);
      if (navigator.onLine === false || !navigator.sendBeacon ||
          !navigator.sendBeacon(url, new Blob([body], { type: "text/plain" }))) kept.push(this.batches[i]);
    }
    this.keep(kept);
  };

  Post.prototype.keep = function (batches) {
    try {
      var text = JSON.stringify(batches);
      if (batches.length && text.length < 4 * EXIT_BYTES) localStorage.setItem(LEFT, text);
    } catch (e) { /* no storage: the gap tells */ }
  };

  Post.prototype.resume = function () {
    try {
      var text = localStorage.getItem(LEFT);
      if (!text) return;
      localStorage.removeItem(LEFT);
      this.batches = JSON.parse(text).map(function (b) {
        return { session: b.session, events: b.events };
      }).concat(this.batches);
    } catch (e) { /* no storage, or not ours */ }
  };

  // Libraries: each tells its name, its version, its bitrate changes and its errors.

  function listen(player, watcher) {
    function failed(code, fatal) {
      watcher.error(code, { fatal: fatal });
    }
    function on(type, heard) {
      (player.on || player.addEventListener).call(player, type, heard);
    }
    if (player.levels !== undefined && player.attachMedia) { // hls.js
      on("hlsLevelSwitched", function (_, data) {
        watcher.rendition(player.levels[data.level] && player.levels[data.level].bitrate / 1000);
      });
      on("hlsError", function (_, data) {
        if (data.fatal || !/^buffer(Stalled|NudgeOnStall|SeekOverHole)/.test(data.details)) failed(data.details, data.fatal);
      });
      return { player_name: "hls.js", player_version: player.constructor.version, stream_format: "hls" };
    }
    if (player.attachView && player.getVersion) { // dash.js
      on("qualityChangeRendered", function (e) {
        if (e.mediaType !== "video") return;
        var list = player.getBitrateInfoListFor && player.getBitrateInfoListFor("video");
        var now = e.newRepresentation || (player.getCurrentRepresentationForType && player.getCurrentRepresentationForType("video"));
        watcher.rendition(list ? list[e.newQuality].bitrate / 1000 : now && (now.bitrateInKbit || now.bandwidth / 1000));
      });
      on("error", function (e) {
        failed(e.error && e.error.code !== undefined ? e.error.code : e.error, true);
      });
      return { player_name: "dash.js", player_version: player.getVersion(), stream_format: "dash" };
    }
    if (player.getVariantTracks) { // Shaka
      var changed = function () {
        player.getVariantTracks().forEach(function (track) {
          if (track.active) watcher.rendition((track.videoBandwidth || track.bandwidth) / 1000);
        });
      };
      on("adaptation", changed);
      on("variantchanged", changed);
      on("buffering", function (e) { // it stops the picture by a rate of 0, of which the element says no "waiting"
        if (e.buffering) watcher.waits();
        else if (watcher.state === "stalled" && !watcher.video.paused) watcher.moves();
      });
      on("error", function (e) {
        failed(e.detail && e.detail.code, !e.detail || e.detail.severity === 2);
      });
      return { player_name: "shaka", player_version: player.constructor.version };
    }
    return {};
  }

  // Watcher: the state machine. An event ends an interval; intervals tile a session without overlap.

  function Watcher(video, options) {
    this.video = video;
    this.options = options;
    this.post = new Post(options);
    this.post.resume();
    this.context = merged({ user_agent: navigator.userAgent }, options.session);
    this.heard = [];
    this.renew();
    if (options.player) this.context = merged(listen(options.player, this), this.context);
    this.attach();
    if (!video.paused && !video.ended) this.play();
  }

  var W = Watcher.prototype;

  W.renew = function () {
    this.id = uuid();
    this.startedAt = 0;
    this.seq = 0;
    this.state = "idle";
    this.since = performance.now();
    this.startupMs = 0;
    this.started = this.closed = this.ad = false;
    this.dropped = this.frames();
    this.refresh();
  };

  W.frames = function () {
    var q = this.video.getVideoPlaybackQuality && this.video.getVideoPlaybackQuality();
    return q ? q.droppedVideoFrames : 0;
  };

  // What holds from now on, and is told with the interval that follows.
  W.refresh = function () {
    var v = this.video, scale = window.devicePixelRatio || 1;
    this.now = {
      hidden: document.visibilityState === "hidden",
      rate: Math.round(v.playbackRate * 100) / 100,
      bitrate_kbps: this.kbps, cdn: this.cdnName,
      width: positive(v.videoWidth), height: positive(v.videoHeight),
      player_width: positive(v.clientWidth * scale), player_height: positive(v.clientHeight * scale)
    };
    this.mark = v.currentTime;
  };

  W.emit = function (type, more) {
    if (this.closed || this.seq >= MOST_EVENTS) return;
    var at = performance.now(), ms = Math.min(LONGEST_MS, Math.max(0, Math.round(at) - Math.round(this.since)));
    var frames = this.frames(), v = this.video;
    if (this.state === "starting") this.startupMs += ms;
    var event = merged({
      seq: ++this.seq, at: Date.now(), type: type, state: this.state, state_ms: ms,
      ad: this.ad || undefined, dropped_frames: positive(frames - this.dropped),
      playhead_ms: isFinite(v.duration) ? Math.round(v.currentTime * 1000) : undefined
    }, merged(this.now, more));
    if (!event.hidden) delete event.hidden;
    if (event.rate === 1) delete event.rate;
    if (type === "playback_request" && !this.startedAt) this.startedAt = event.at;
    var next = (NEXT[this.state] || {})[type];
    if (type === "playback_request" && this.state === "paused" && !this.started) next = "starting";
    if (this.state === "starting" && (next || /finish|fail/.test(type))) event.startup_ms = this.startupMs;
    this.state = next || this.state;
    this.since = at;
    this.dropped = frames;
    this.refresh();
    this.beatAt = at + (this.state === "paused" ? PAUSED_HEARTBEAT_MS : HEARTBEAT_MS);
    this.post.add(this.session(), event);
    if (this.options.heard) this.options.heard(event);
  };

  W.session = function () {
    var length = this.video.duration;
    return merged({
      session_id: this.id, started_at: this.startedAt || undefined,
      content_duration_ms: isFinite(length) ? positive(length * 1000) : undefined,
      content_type: length === Infinity ? "live" : isFinite(length) ? "vod" : undefined, source: "sdk"
    }, this.context);
  };

  W.close = function (type, more) {
    if (this.closed) return;
    this.emit(type, more);
    this.closed = true;
    this.post.flush();
  };

  W.play = function () {
    if (this.closed) this.renew(); // pressed again: another session
    if (this.state === "idle" || this.state === "paused") this.emit("playback_request");
  };

  W.moves = function () {
    var first = !this.started;
    if (this.state === "idle") this.play();
    if (this.state === "playing" || this.closed) return;
    if (this.state === "paused" && first) this.emit("playback_request");
    this.emit(this.state === "seeking" ? "seek_end" : "playback_start");
    this.started = true;
    if (first) this.post.flush();
  };

  W.waits = function () {
    if (this.video.seeking) this.seeks();
    else if (this.state === "playing" && !this.video.ended && !this.video.paused) this.emit("playback_stall");
  };

  W.seeks = function () {
    var small = Math.abs(this.video.currentTime - this.last) < NUDGE_S;
    if (this.state === "idle" || this.state === "seeking" || (this.state === "stalled" && small)) return;
    this.emit("seek_start");
  };

  W.pauses = function () {
    if (!this.video.ended && this.state !== "idle" && this.state !== "paused") this.emit("playback_pause");
  };

  W.ends = function () {
    if (this.ad) this.emit("playback_finish", { reason: "finished" });
    else if (this.state !== "idle") this.close("playback_finish", { reason: "finished" });
  };

  W.ticks = function () {
    var v = this.video, waiting = /^(starting|stalled|seeking|resuming)$/.test(this.state);
    if (waiting && !v.paused && !v.seeking && v.currentTime - this.mark > MOVED_S) this.moves();
    this.last = v.currentTime;
  };

  W.attach = function () {
    var w = this, v = this.video;
    function on(target, type, heard) {
      target.addEventListener(type, heard);
      w.heard.push(function () {
        target.removeEventListener(type, heard);
      });
    }
    function cuts(type) {
      return function () {
        if (w.state !== "idle") w.emit(type);
        w.refresh();
      };
    }
    on(v, "play", function () { w.play(); });
    on(v, "playing", function () { w.moves(); });
    on(v, "waiting", function () { w.waits(); });
    on(v, "seeking", function () { w.seeks(); });
    on(v, "seeked", function () { w.mark = v.currentTime; });
    on(v, "pause", function () { w.pauses(); });
    on(v, "ended", function () { w.ends(); });
    on(v, "timeupdate", function () { w.ticks(); });
    on(v, "ratechange", cuts("heartbeat"));
    on(v, "resize", cuts(this.options.player ? "heartbeat" : "rendition_update"));
    on(v, "error", function () {
      if (v.error) w.error("MEDIA_ERR_" + v.error.code, { fatal: true });
    });
    on(document, "visibilitychange", function () {
      cuts("visibility_change")();
      if (document.visibilityState === "hidden") w.post.leave(); // a phone may never come back
    });
    on(window, "pagehide", function (e) {
      if (w.state !== "idle" && !w.closed) {
        if (e.persisted) w.emit("heartbeat");
        else w.close("playback_finish", { reason: "exited" });
      }
      w.post.leave();
    });
    on(window, "online", function () { w.post.hurry(); });
    if (typeof ResizeObserver !== "undefined") {
      var settled = 0, eye = new ResizeObserver(function () {
        clearTimeout(settled);
        settled = setTimeout(function () {
          var scale = window.devicePixelRatio || 1;
          if (positive(v.clientWidth * scale) !== w.now.player_width) cuts("player_resize")();
        }, 250);
      });
      eye.observe(v);
      this.heard.push(function () { eye.disconnect(); });
    }
    var beat = setInterval(function () {
      if (w.state !== "idle" && !w.closed && performance.now() >= w.beatAt) w.emit("heartbeat");
      w.sinceFlush = (w.sinceFlush || 0) + 1000;
      if (w.sinceFlush >= FLUSH_MS) {
        w.sinceFlush = 0;
        w.post.flush();
      }
    }, 1000);
    this.heard.push(function () { clearInterval(beat); });
  };

  // What only the app or its library knows.

  W.rendition = function (kbps) {
    kbps = positive(kbps);
    if (kbps === undefined || kbps === this.kbps) return;
    this.kbps = kbps;
    if (this.state !== "idle") this.emit("rendition_update", { next_bitrate_kbps: kbps });
    this.refresh();
  };

  W.cdn = function (name) {
    if (name === this.cdnName) return;
    var known = this.cdnName !== undefined && this.state !== "idle";
    this.cdnName = name;
    if (known) this.emit("cdn_change", { next_cdn: name });
    else this.context = merged({ cdn: name }, this.context);
    this.refresh();
  };

  W.error = function (code, how) {
    var more = { error_code: code == null ? undefined : String(code), error_class: how && how.business ? "business" : undefined };
    if (!how || !how.fatal) this.emit("error", more);
    else this.close("playback_fail", more);
  };

  W.adBreakStart = function (how) { this.edge(true, how); };
  W.adBreakEnd = function (how) { this.edge(false, how); };
  W.edge = function (begins, how) {
    if (this.ad === begins || this.closed) return;
    this.emit(begins ? "ad_break_start" : "ad_break_end");
    this.ad = begins;
    if (how && how.stitched && this.state === "resuming") this.emit("playback_start"); // the picture never stood still
  };

  W.describe = function (session) {
    this.context = merged(this.context, session);
  };

  W.end = function (reason) {
    if (this.state !== "idle") this.close("playback_finish", { reason: reason || "exited" });
  };

  W.stop = function () {
    this.end();
    this.heard.forEach(function (undo) { undo(); });
    this.heard = [];
    this.post.flush();
  };

  return {
    version: "1",
    watch: function (video, options) {
      if (!video || !options || !options.url || !options.key) throw new TypeError("qoescope.watch(video, {url, key, …})");
      return new Watcher(video, options);
    }
  };
});
