/** video.js, with its own streaming (VHS), videojs-contrib-ads and IMA. */

import { Dimensions } from "../states";
import type { Adapter } from "../options";
import type { Watcher } from "../watcher";
import { codec } from "./names";

interface Playlist {
  attributes?: { BANDWIDTH?: number; CODECS?: string };
  endList?: boolean;
}

export interface VideoJs {
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
  currentSrc(): string;
  currentType(): string;
  error(): { code: number } | null;
  qualityLevels?(): { on(event: string, listener: () => void): void; off(event: string, listener: () => void): void };
  tech(quiet: unknown): { vhs?: { playlists?: { media(): Playlist | undefined } } } | null;
}

/** Renditions, codec, live, ads; errors, which end the session unless frames move again. */
export function videojs(player: unknown, version?: string): Adapter {
  const library = player as VideoJs;
  function playlist(): Playlist | undefined {
    const tech = library.tech(true), lists = tech && tech.vhs && tech.vhs.playlists;
    return lists ? lists.media() : undefined;
  }
  return {
    attach(watcher: Watcher): Dimensions {
      function on(event: string, listener: () => void): void {
        library.on(event, listener);
        watcher.cleanup(function () { library.off(event, listener); });
      }
      function changed(): void {
        const now = playlist(), of = now && now.attributes;
        if (!of) return;
        watcher.setDimensions({ video_codec: codec(/avc|hvc|hev|av0|vp0|vp9/.exec(of.CODECS || "")?.[0]) });
        watcher.rendition((of.BANDWIDTH || 0) / 1000);
      }
      on("playing", changed);
      on("mediachange", changed);
      if (library.qualityLevels) {
        const levels = library.qualityLevels();
        levels.on("change", changed);
        watcher.cleanup(function () { levels.off("change", changed); });
      }
      on("adstart", () => watcher.adBreakStart());
      on("adend", () => watcher.adBreakEnd());
      on("error", function () {
        const error = library.error();
        if (error) watcher.report("MEDIA_ERR_" + error.code, { fatal: true });
      });
      const type = library.currentType();
      return {
        player_name: "video.js", player_version: version,
        stream_format: /mpegurl/i.test(type) ? "hls" : /dash/.test(type) ? "dash" : undefined,
      };
    },
    source: function () { return library.currentSrc(); },
    live: function () {
      const now = playlist();
      return now ? now.endList === false : undefined;
    },
  };
}
