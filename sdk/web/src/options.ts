/** Options: what an app gives to watch, and what an adapter of a library gives. */

import { Dimensions, PlayerEvent, Session } from "./states";
import type { Watcher } from "./watcher";

/** What a library tells and the element does not. */
export interface Adapter {
  /** Begins to listen; gives what the library says of itself. */
  attach(watcher: Watcher): Dimensions;
  /** Address of what is loaded. */
  source?(): string | null | undefined;
  /** Undefined while it is not known. */
  live?(): boolean | undefined;
}

export interface Options {
  /** The collector's write endpoint, `https://…/v1/beacons`. */
  url: string;
  /** A write key of the property. */
  key: string;
  session?: Session;
  player?: Adapter;
  /** `false`: nothing is sent or stored until `setConsent(true)`. */
  consent?: boolean;
  /** Take the browser's "do not track" for `consent: false`. */
  doNotTrack?: boolean;
  /** Take Global Privacy Control for `consent: false`. */
  globalPrivacyControl?: boolean;
  /** Called with each event as it is queued. */
  onEvent?(event: PlayerEvent): void;
}

export interface ErrorDetails {
  /** Playback cannot go on by itself. */
  fatal?: boolean;
  /** A rule did what it should: not entitled, geo-block, stream limit. */
  business?: boolean;
}

/** Whether anything may be sent or stored from the beginning. */
export function consents(options: Options): boolean {
  const asked = navigator as { doNotTrack?: string | null; globalPrivacyControl?: boolean };
  return options.consent !== false && !(options.doNotTrack && asked.doNotTrack === "1") &&
    !(options.globalPrivacyControl && asked.globalPrivacyControl === true);
}
