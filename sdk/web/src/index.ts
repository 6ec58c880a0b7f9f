/** `@qoescope/web`: watches a video element and reports what its viewer lives through. Apache-2.0. */

import { listen } from "./element";
import type { Options } from "./options";
import { Watcher } from "./watcher";

export { Watcher } from "./watcher";
export type { Adapter, ErrorDetails, Options } from "./options";
export type { Content, Dimensions, EventType, Fields, PlayerEvent, Session, State } from "./states";

export const version = "1.0.0";

/** Watches the element from now on; call it before `play()`. Raises `TypeError` without url and key. */
export function watch(video: HTMLVideoElement, options: Options): Watcher {
  if (!video || !options || !options.url || !options.key) throw new TypeError("qoescope.watch(video, {url, key, …})");
  const watcher = new Watcher(video, options);
  listen(watcher, !!options.player);
  return watcher;
}
