/** hls.js. */

import { Dimensions } from "../states";
import type { Adapter } from "../options";
import type { Watcher } from "../watcher";
import { codec, drm, host } from "./names";

const SURVIVED = /^buffer(Stalled|NudgeOnStall|SeekOverHole)/; // stalls, which the element tells

interface Data {
  level: number;
  details: string & { live?: boolean };
  fatal: boolean;
  frag: { url?: string; type: string };
  keyInfo?: { decryptdata?: { keyFormat?: string } };
}

export interface Hls {
  url?: string | null;
  levels: Array<{ bitrate: number; videoCodec?: string }>;
  on(event: string, listener: (name: string, data: Data) => void): void;
  off(event: string, listener: (name: string, data: Data) => void): void;
  attachMedia(media: HTMLMediaElement): void;
}

/** Renditions, codec, DRM, host of segments, live, errors with their fatality. */
export function hls(player: unknown): Adapter {
  const library = player as Hls;
  let live: boolean | undefined;
  return {
    attach(watcher: Watcher): Dimensions {
      function on(event: string, listener: (name: string, data: Data) => void): void {
        library.on(event, listener);
        watcher.cleanup(function () { library.off(event, listener); });
      }
      on("hlsManifestLoading", function () {
        live = undefined;
        watcher.source();
      });
      on("hlsLevelLoaded", function (_, data) { live = data.details.live; });
      on("hlsLevelSwitched", function (_, data) {
        const level = library.levels[data.level];
        if (!level) return;
        watcher.setDimensions({ video_codec: codec(level.videoCodec) });
        watcher.rendition(level.bitrate / 1000);
      });
      on("hlsFragLoaded", function (_, data) {
        const from = data.frag.type === "main" && host(data.frag.url);
        if (from) watcher.servedBy(from);
      });
      on("hlsKeyLoaded", function (_, data) {
        watcher.setDimensions({ drm: drm(data.keyInfo && data.keyInfo.decryptdata && data.keyInfo.decryptdata.keyFormat) });
      });
      on("hlsError", function (_, data) {
        if (data.fatal || !SURVIVED.test(data.details)) watcher.report(data.details, { fatal: data.fatal });
      });
      const version = (library.constructor as { version?: string }).version;
      return { player_name: "hls.js", player_version: version, stream_format: "hls" };
    },
    source: function () { return library.url; },
    live: function () { return live; },
  };
}
