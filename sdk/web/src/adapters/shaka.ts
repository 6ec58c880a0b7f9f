/** Shaka Player. */

import { Dimensions } from "../states";
import type { Adapter } from "../options";
import type { Watcher } from "../watcher";
import { codec, drm, host } from "./names";

const SEGMENT = 1, CRITICAL = 2; // shaka.net.NetworkingEngine.RequestType, shaka.util.Error.Severity

interface Event {
  buffering?: boolean;
  detail?: { code?: number; severity?: number };
}

export interface Shaka {
  addEventListener(event: string, listener: (event: Event) => void): void;
  removeEventListener(event: string, listener: (event: Event) => void): void;
  getVariantTracks(): Array<{ active: boolean; bandwidth: number; videoBandwidth?: number | null; videoCodec?: string | null }>;
  getAssetUri(): string | null;
  getManifestType?(): string | null;
  isLive(): boolean;
  keySystem(): string;
  getNetworkingEngine(): { registerResponseFilter(filter: (type: number, response: { uri: string }) => void): void } | null;
}

/** Renditions, codec, DRM, host of segments, live, stalls by a rate of 0, errors with their severity. */
export function shaka(player: unknown): Adapter {
  const library = player as Shaka;
  return {
    attach(watcher: Watcher): Dimensions {
      function on(event: string, listener: (event: Event) => void): void {
        library.addEventListener(event, listener);
        watcher.cleanup(function () { library.removeEventListener(event, listener); });
      }
      function changed(): void {
        library.getVariantTracks().forEach(function (track) {
          if (!track.active) return;
          watcher.setDimensions({ video_codec: codec(track.videoCodec), drm: drm(library.keySystem()) });
          watcher.rendition((track.videoBandwidth || track.bandwidth) / 1000);
        });
      }
      on("adaptation", changed);
      on("variantchanged", changed);
      on("loading", function () { watcher.source(); });
      on("loaded", function () {
        const type = library.getManifestType && library.getManifestType();
        watcher.setDimensions({ stream_format: type === "HLS" ? "hls" : type === "DASH" ? "dash" : undefined });
      });
      on("buffering", function (e) { // it stops the picture by a rate of 0, of which the element says no "waiting"
        if (e.buffering) watcher.waits();
        else if (watcher.state === "stalled" && !watcher.video.paused) watcher.moves();
      });
      on("error", function (e) {
        const error = e.detail || {};
        watcher.report(error.code, { fatal: error.severity === undefined || error.severity === CRITICAL });
      });
      const network = library.getNetworkingEngine();
      if (network) network.registerResponseFilter(function (type, response) {
        const from = type === SEGMENT && host(response.uri);
        if (from) watcher.servedBy(from);
      });
      const version = (library.constructor as { version?: string }).version;
      return { player_name: "shaka", player_version: version };
    },
    source: function () { return library.getAssetUri(); },
    live: function () { return library.getVariantTracks().length ? library.isLive() : undefined; },
  };
}
