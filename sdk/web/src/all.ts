/** For a script tag: the core with every adapter, which it chooses by the player that it is given. Apache-2.0. */

import { dash } from "./adapters/dash";
import { hls } from "./adapters/hls";
import { shaka } from "./adapters/shaka";
import { videojs } from "./adapters/videojs";
import { watch as watchElement } from "./index";
import type { Adapter, Options } from "./options";
import type { Watcher } from "./watcher";

export { version } from "./index";

export interface AnyOptions extends Omit<Options, "player"> {
  /** An hls.js, dash.js, Shaka or video.js player; without one, bitrates and library errors stay unknown. */
  player?: unknown;
}

/** The adapter that fits the player; undefined when none does. */
export function adapter(player: unknown): Adapter | undefined {
  const shape = (player || {}) as { [name: string]: unknown };
  if (shape.attach && !shape.getVariantTracks && !shape.attachView) return player as Adapter;
  if (shape.levels !== undefined && shape.attachMedia) return hls(player);
  if (shape.attachView && shape.getVersion) return dash(player);
  if (shape.getVariantTracks) return shaka(player);
  if (shape.currentSrc && shape.tech) {
    const library = (window as { videojs?: { VERSION?: string } }).videojs;
    return videojs(player, library && library.VERSION);
  }
  return undefined;
}

/** Watches the element from now on; call it before `play()`. Raises `TypeError` without url and key. */
export function watch(video: HTMLVideoElement, options: AnyOptions): Watcher {
  const known = options && adapter(options.player), all = {} as { [name: string]: unknown };
  Object.keys(options || {}).forEach(function (name) { all[name] = (options as unknown as typeof all)[name]; });
  all.player = known;
  return watchElement(video, all as unknown as Options);
}
