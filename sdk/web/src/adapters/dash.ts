/** dash.js, 4 and 5. */

import { Dimensions } from "../states";
import type { Adapter } from "../options";
import type { Watcher } from "../watcher";
import { codec, drm, host } from "./names";

interface Rendition {
  bitrateInKbit?: number;
  bandwidth?: number;
  codecs?: string;
}

interface Event {
  mediaType?: string;
  newQuality?: number;
  newRepresentation?: Rendition;
  request?: { mediaType?: string; url?: string };
  data?: { ksConfiguration?: unknown; keySystem?: { systemString?: string } };
  error?: { code?: number } | string;
}

export interface Dash {
  on(event: string, listener: (event: Event) => void): void;
  off(event: string, listener: (event: Event) => void): void;
  getVersion(): string;
  getSource(): string | object | null;
  isReady(): boolean;
  isDynamic(): boolean;
  getBitrateInfoListFor?(type: string): Array<{ bitrate: number }>;
  getCurrentRepresentationForType?(type: string): Rendition | null;
}

/** Renditions, codec, DRM, host of segments, live, errors: all are fatal unless data comes again. */
export function dash(player: unknown): Adapter {
  const library = player as Dash;
  return {
    attach(watcher: Watcher): Dimensions {
      function on(event: string, listener: (event: Event) => void): void {
        library.on(event, listener);
        watcher.cleanup(function () { library.off(event, listener); });
      }
      on("qualityChangeRendered", function (e) {
        if (e.mediaType !== "video") return;
        const list = library.getBitrateInfoListFor && library.getBitrateInfoListFor("video"), now = e.newRepresentation ||
          (library.getCurrentRepresentationForType && library.getCurrentRepresentationForType("video")) || {};
        watcher.setDimensions({ video_codec: codec(/avc|hvc|hev|av0|vp0|vp9/.exec(now.codecs || "")?.[0]) });
        const of = list && list[e.newQuality!];
        watcher.rendition(of ? of.bitrate / 1000 : now.bitrateInKbit || (now.bandwidth || 0) / 1000);
      });
      on("fragmentLoadingCompleted", function (e) {
        const from = e.request && e.request.mediaType === "video" && host(e.request.url);
        if (from) watcher.servedBy(from);
      });
      on("public_keySystemSelected", function (e) {
        watcher.setDimensions({ drm: drm(e.data && e.data.keySystem && e.data.keySystem.systemString) });
      });
      on("manifestLoadingStarted", function () { watcher.source(); });
      on("error", function (e) {
        const error = e.error;
        watcher.report(typeof error === "object" ? error.code : error, { fatal: true });
      });
      return { player_name: "dash.js", player_version: library.getVersion(), stream_format: "dash" };
    },
    source: function () {
      try {
        const source = library.getSource();
        return typeof source === "string" ? source : undefined;
      } catch (e) { // nothing is attached yet
        return undefined;
      }
    },
    live: function () {
      try {
        return library.isReady() ? library.isDynamic() : undefined;
      } catch (e) {
        return undefined;
      }
    },
  };
}
