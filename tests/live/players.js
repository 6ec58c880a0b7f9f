// One player on one element, told of by CMCD and by the beacon; `truth` is what the element itself says.
"use strict";
const said = new URLSearchParams(location.search), key = said.get("key"), sid = said.get("sid");
const film = location.origin + "/demo/media/film/", video = document.getElementById("video");
const truth = { startup_ms: null, stall_count: 0, stall_ms: 0 };
const KEYS = "br bs bsd cid dfa e ec msd pb pr pt sf sid sn st sta ts v".split(" ");
const target = { enabled: true, mode: "event", url: location.origin + "/v1/cmcd/" + key, interval: 2,
                 events: ["ps", "e", "t", "bc"], includeKeys: KEYS };
let asked = null, stalled = null, watcher;

video.addEventListener("loadstart", () => video.play(), { once: true }); // a viewer who waits for the first picture
video.addEventListener("play", () => { if (asked === null) asked = performance.now(); });
function waits() {
  if (truth.startup_ms === null || video.seeking || stalled !== null) return;
  stalled = performance.now();
  truth.stall_count += 1;
}
function moves() {
  const now = performance.now();
  if (truth.startup_ms === null) truth.startup_ms = now - asked;
  if (stalled !== null) truth.stall_ms += now - stalled;
  stalled = null;
}
video.addEventListener("waiting", waits);
video.addEventListener("playing", moves);
video.addEventListener("ratechange", () => { // Shaka stops the picture so
  if (video.playbackRate === 0) waits();
  else if (stalled !== null) moves();
});

const make = {
  hls() {
    const player = new Hls({ enableWorker: false, maxBufferLength: 2, maxMaxBufferLength: 4,
      cmcd: { version: 2, sessionId: sid, contentId: "film", includeKeys: KEYS, eventTargets: [target] } });
    player.loadSource(film + "master.m3u8");
    player.attachMedia(video);
    return player;
  },
  dash() {
    const player = dashjs.MediaPlayer().create();
    player.initialize(video, null, false);
    player.updateSettings({ streaming: {
      buffer: { bufferTimeDefault: 4, bufferTimeAtTopQuality: 4, bufferTimeAtTopQualityLongForm: 4 },
      cmcd: { enabled: true, version: 1, sid: sid, cid: "film", mode: "query" } } });
    player.attachSource(film + "main.mpd");
    return player;
  },
  shaka() {
    const player = new shaka.Player();
    player.configure({ streaming: { bufferingGoal: 4, rebufferingGoal: 0.5 },
      cmcd: { enabled: true, version: 2, sessionId: sid, contentId: "film", eventTargets: [target] } });
    player.attach(video).then(() => player.load(film + "main.mpd"));
    return player;
  }
};
function begin() {
  watcher = qoescope.watch(video, { url: location.origin + "/v1/beacons", key: key,
                                    player: make[said.get("player")](), session: { content_id: "film" } });
}
let end = null;
function ended() { // once the picture moves again: all of it stops at the same moment, and this is what it was
  if (end !== null || truth.stall_ms === 0 || stalled !== null || watcher.state !== "playing") return end;
  end = { id: watcher.id, ...truth };
  watcher.stop();
  video.pause();
  return end;
}
