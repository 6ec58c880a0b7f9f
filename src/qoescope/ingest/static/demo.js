// The demo player: a film, a player library, a slow network, and every event that the beacon sends.
(function () {
  "use strict";

  var FILM = "/demo/media/film/", LIBRARIES = "/demo/media/players/", MOST_ROWS = 200;
  var KEYS = "bg br bs bsa bsd bsda cid dfa e ec msd pb pr pt sf sid sn st sta ts v".split(" ");
  var NAMES = { hls: "Hls", dash: "dashjs", shaka: "shaka" };
  var video = document.getElementById("video"), said = document.getElementById("said");
  var asked = new URLSearchParams(location.search);
  var player, watcher;

  function field(name) {
    return document.getElementById(name);
  }

  ["player", "kbps", "key"].forEach(function (name) {
    if (asked.get(name)) field(name).value = asked.get(name);
  });

  function slow(url) {
    var kbps = field("kbps").value;
    return kbps && url.indexOf("kbps=") < 0 ? url + (url.indexOf("?") < 0 ? "?" : "&") + "kbps=" + kbps : url;
  }

  function library(name) {
    return new Promise(function (done, failed) {
      if (window[NAMES[name]]) return done();
      var script = document.createElement("script");
      script.src = LIBRARIES + name + ".js";
      script.onload = done;
      script.onerror = function () {
        failed(new Error("the player is not here: run `qoescope player` once"));
      };
      document.head.appendChild(script);
    });
  }

  var make = {
    hls: function () {
      var settings = { enableWorker: false, xhrSetup: function (xhr, url) { xhr.open("GET", slow(url), true); } };
      if (field("cmcd").checked) {
        var target = location.origin + "/v1/cmcd/" + field("key").value;
        settings.cmcd = { version: 2, contentId: "film", includeKeys: KEYS, eventTargets: [
          { url: target, interval: 10, events: ["ps", "e", "t", "bc", "b", "pr"], includeKeys: KEYS }
        ] };
      }
      var hls = new window.Hls(settings);
      return { player: hls, load: function () {
        hls.loadSource(FILM + "master.m3u8");
        hls.attachMedia(video);
      }, away: function () { hls.destroy(); } };
    },
    dash: function () {
      var dash = window.dashjs.MediaPlayer().create();
      dash.initialize();
      if (dash.addRequestInterceptor) {
        dash.addRequestInterceptor(function (request) {
          request.url = slow(request.url);
          return Promise.resolve(request);
        });
      }
      return { player: dash, load: function () {
        dash.attachView(video);
        dash.setAutoPlay(false);
        dash.attachSource(FILM + "main.mpd");
      }, away: function () { dash.reset(); } };
    },
    shaka: function () {
      var shaka = new window.shaka.Player();
      shaka.getNetworkingEngine().registerRequestFilter(function (_, request) {
        request.uris = request.uris.map(slow);
      });
      return { player: shaka, load: function () {
        shaka.attach(video).then(function () { return shaka.load(FILM + "main.mpd"); }).catch(failed);
      }, away: function () { shaka.destroy(); } };
    }
  };

  function failed(error) {
    said.textContent = "Not loaded: " + (error.message || error);
  }

  function cell(row, text) {
    row.insertCell().textContent = text === undefined ? "" : text;
  }

  function show(event) {
    var row = field("events").insertRow(0), more = [];
    ["startup_ms", "next_bitrate_kbps", "error_code", "reason", "dropped_frames", "hidden", "rate"].forEach(function (name) {
      if (event[name] !== undefined) more.push(name + " " + event[name]);
    });
    [event.seq, event.type, event.state, event.state_ms, event.bitrate_kbps, event.playhead_ms, more.join(", ")]
      .forEach(function (text) { cell(row, text); });
    if (field("events").rows.length > MOST_ROWS) field("events").deleteRow(MOST_ROWS);
  }

  function load() {
    if (watcher) watcher.stop();
    if (player) player.away();
    var name = field("player").value;
    library(name).then(function () {
      player = make[name]();
      watcher = window.qoescope.watch(video, {
        url: location.origin + "/v1/beacons", key: field("key").value, player: player.player, onEvent: show,
        session: { viewer_id: "demo", content_id: "film", content_title: "Test film", device_type: "web", app_version: "demo" }
      });
      player.load();
      said.textContent = "Loaded. Press play.";
    }).catch(failed);
  }

  field("form").addEventListener("submit", function (e) {
    e.preventDefault();
    if (!field("key").value) said.textContent = "A write key is needed: qoescope keys new";
    else load();
  });
  field("seek").addEventListener("click", function () { video.currentTime += 30; });
  field("break").addEventListener("click", function () {
    if (watcher) watcher.error("DEMO_BROKEN", { fatal: true });
    video.pause();
  });
})();
