/** The element: what every video element tells, whatever plays in it. */

import { Watcher } from "./watcher";

const SETTLED_MS = 250; // a window is being dragged until then

interface Watched extends HTMLVideoElement {
  qoescopeWatcher?: Watcher;
}

/** Hands what the element tells to its watcher; a watcher that the element had before lets go of it. */
export function listen(watcher: Watcher, hasLibrary: boolean): void {
  const v = watcher.video as Watched;
  if (v.qoescopeWatcher) v.qoescopeWatcher.stop();
  v.qoescopeWatcher = watcher;
  watcher.cleanup(function () { delete v.qoescopeWatcher; });

  function on(target: EventTarget, type: string, listener: (event: Event) => void): void {
    target.addEventListener(type, listener);
    watcher.cleanup(function () { target.removeEventListener(type, listener); });
  }

  on(v, "play", () => watcher.press());
  on(v, "playing", () => watcher.moves());
  on(v, "waiting", () => watcher.waits());
  on(v, "seeking", () => watcher.seeks());
  on(v, "seeked", () => watcher.sought());
  on(v, "pause", () => watcher.pauses());
  on(v, "ended", () => watcher.ends());
  on(v, "timeupdate", () => watcher.ticks());
  on(v, "emptied", () => watcher.empties());
  on(v, "loadstart", () => {
    watcher.source();
    watcher.autoplay();
  });
  on(v, "loadedmetadata", () => watcher.source()); // a <source> is chosen only now
  on(v, "canplaythrough", () => watcher.blocked());
  on(v, "ratechange", () => watcher.cut("heartbeat"));
  on(v, "resize", () => watcher.cut(hasLibrary ? "heartbeat" : "rendition_update"));
  on(v, "error", () => {
    if (v.error) watcher.report("MEDIA_ERR_" + v.error.code, { fatal: true });
  });
  on(document, "visibilitychange", () => {
    watcher.cut("visibility_change");
    if (document.visibilityState === "hidden") watcher.post.leave(); // a phone may never come back
  });
  on(document, "freeze", () => watcher.post.leave());
  on(window, "pagehide", () => watcher.leaves());
  on(window, "pageshow", () => watcher.returns());
  on(window, "online", () => watcher.post.hurry());

  if (typeof ResizeObserver !== "undefined") {
    let settled = 0;
    const observer = new ResizeObserver(function () {
      clearTimeout(settled);
      settled = setTimeout(function () {
        if (watcher.resized) watcher.cut("player_resize");
      }, SETTLED_MS);
    });
    observer.observe(v);
    watcher.cleanup(function () { observer.disconnect(); });
  }
}
