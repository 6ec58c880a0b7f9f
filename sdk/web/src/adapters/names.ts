/** Names: what libraries write as URLs, codecs and key systems, in the collector's words. */

import { Dimensions } from "../states";

export function host(url: string | undefined): string | undefined {
  const found = /^https?:\/\/([^/:?#]+)/.exec(url || "");
  return found ? found[1] : undefined;
}

export function codec(codecs: string | null | undefined): Dimensions["video_codec"] {
  const name = (codecs || "").slice(0, 3);
  return name === "avc" ? "avc" : /hvc|hev|dvh/.test(name) ? "hevc" : name === "av0" ? "av1" : name === "vp0" || name === "vp9"
    ? "vp9" : undefined;
}

export function drm(keySystem: string | null | undefined): Dimensions["drm"] {
  const found = /widevine|playready|fps|fairplay/.exec(keySystem || "");
  return !found ? undefined : found[0] === "widevine" || found[0] === "playready" ? found[0] : "fairplay";
}
