export as namespace qoescope;
/** States: which player state each event leads to, and what an event and a session hold on the wire. */
type State = "idle" | "starting" | "playing" | "stalled" | "seeking" | "resuming" | "paused";
type EventType = "playback_request" | "playback_start" | "playback_stall" | "playback_pause" | "playback_finish" | "playback_fail" | "rendition_update" | "player_resize" | "ad_break_start" | "ad_break_end" | "seek_start" | "seek_end" | "heartbeat" | "error" | "cdn_change" | "visibility_change";
/** What an event may hold beside its type. */
interface Fields {
    next_bitrate_kbps?: number;
    next_cdn?: string;
    error_code?: string;
    error_class?: "technical" | "business";
    reason?: "finished" | "exited";
}
/** An event: the state that ended, for how long, and what held meanwhile. */
interface PlayerEvent extends Fields {
    seq: number;
    at: number;
    type: EventType;
    state: State;
    state_ms: number;
    ad?: boolean;
    hidden?: boolean;
    rate?: number;
    bitrate_kbps?: number;
    width?: number;
    height?: number;
    player_width?: number;
    player_height?: number;
    cdn?: string;
    dropped_frames?: number;
    playhead_ms?: number;
    startup_ms?: number;
}
/** What is played; a change of it is another viewing. */
interface Content {
    content_id?: string;
    content_title?: string;
    content_series?: string;
    content_type?: "vod" | "live";
    content_duration_ms?: number;
}
/** What is true of viewer, device and app; unknown fields stay absent. */
interface Dimensions {
    viewer_id?: string;
    stream_format?: "hls" | "dash" | "smooth" | "other";
    device_type?: "smart_tv" | "mobile" | "tablet" | "web" | "console" | "set_top_box" | "other";
    device_model?: string;
    os?: string;
    os_version?: string;
    browser?: string;
    browser_version?: string;
    user_agent?: string;
    app_version?: string;
    player_name?: string;
    player_version?: string;
    network_type?: "wifi" | "ethernet" | "cellular_5g" | "cellular_4g" | "cellular_3g" | "other";
    cdn?: string;
    cdn_pop?: string;
    drm?: "none" | "widevine" | "playready" | "fairplay";
    video_codec?: "avc" | "hevc" | "av1" | "vp9";
    experiment?: string;
    variant?: string;
}
interface Session extends Content, Dimensions {
}
/** The session's context as it is sent. */
interface Context extends Session {
    session_id: string;
    started_at?: number;
    source: "sdk";
}

/** Delivery: events leave in batches and stay queued until they are acknowledged; a repeat is counted once. */

interface Batch {
    session: Context;
    events: PlayerEvent[];
    sending?: boolean;
}
declare class Post {
    private readonly url;
    private readonly key;
    private consent;
    batches: Batch[];
    private retryMs;
    private busy;
    private stopped;
    private timer;
    private waitedMs;
    private readonly id;
    /** Nothing is sent or stored before `consent`. */
    constructor(url: string, key: string, consent: boolean);
    add(session: Context, event: PlayerEvent): void;
    /** Call it every so many ms: what has waited for long enough leaves. */
    tick(ms: number): void;
    flush(): void;
    /** Sends what waits without another pause: the network is back. */
    hurry(): void;
    /** On exit nothing waits for an answer: all that is not acknowledged goes once more, what cannot go is stored. */
    leave(): void;
    /** `false` forgets what waits and what is stored. */
    setConsent(consent: boolean): void;
    private body;
    private send;
    private done;
    private later;
    private stop;
    private store;
    private resume;
}

/** Recorder: an event ends an interval; the intervals of a session tile it without overlap. */

declare class Recorder {
    readonly video: HTMLVideoElement;
    protected readonly options: Options;
    id: string;
    state: State;
    /** Frames have moved. */
    started: boolean;
    /** The session has ended. */
    closed: boolean;
    readonly post: Post;
    protected context: Session;
    protected since: number;
    protected beatAt: number;
    protected mark: number;
    /** Where the playhead was when the element last told of it, in seconds. */
    protected last: number;
    protected tickedAt: number;
    protected tickedS: number;
    protected ad: boolean;
    /** The element shows an ad's own source, whose length is not the content's. */
    protected foreign: boolean;
    protected kbps: number | undefined;
    protected cdnName: string | undefined;
    private firstCdn;
    private endless;
    private seq;
    private startedAt;
    private startupMs;
    private dropped;
    private conditions;
    constructor(video: HTMLVideoElement, options: Options);
    protected renew(): void;
    protected forget(): void;
    protected frames(): number;
    protected bufferedS(): number;
    protected isLive(): boolean | undefined;
    protected refresh(): void;
    /** Whether the size on screen is another. */
    get resized(): boolean;
    protected build(type: EventType, fields: Fields | undefined, at: number): PlayerEvent;
    protected after(type: EventType): State;
    protected commit(event: PlayerEvent, at: number, context?: Context): void;
    protected emit(type: EventType, fields?: Fields, at?: number): void;
    protected session(): Context;
    protected serve(name: string): void;
    protected wakes(): void;
}

/** Ending: how a session begins and ends. A failure, or a source that is gone, ends it only if no frame moves again. */

interface Failure {
    fields: Fields;
    at: number;
    bufferedS: number;
}
declare class Ending extends Recorder {
    /** The session ended by a failure. */
    protected failed: boolean;
    protected failure: Failure | undefined;
    /** The end of the session, unless frames move again. */
    protected held: {
        event: PlayerEvent;
        at: number;
        context: Context;
        moving: boolean;
    } | undefined;
    protected pressedAt: number;
    private adNext;
    protected renew(): void;
    protected emit(type: EventType, fields?: Fields, at?: number): void;
    protected overdue(): boolean;
    protected hold(type: EventType, fields: Fields, moving?: boolean): void;
    protected revive(): void;
    protected survives(): boolean;
    protected close(type: EventType, fields?: Fields): void;
    /** Of a library or the element; `now`: playback has stopped already. */
    report(code: string | number | null | undefined, details?: ErrorDetails, now?: boolean): void;
    protected begin(at: number): void;
    protected edge(begins: boolean, how?: {
        stitched?: boolean;
    }): void;
}

/** Watcher: what app, element and library tell, as events. */

declare class Watcher extends Ending {
    private nudged;
    private loopedAt;
    private rolling;
    private left;
    private named;
    private src;
    private described;
    private undo;
    constructor(video: HTMLVideoElement, options: Options);
    /** What is played from now on, or from the next source on; another `content_id` is another viewing. */
    setContent(content: Content): void;
    /** Adds to what is true of viewer, device and app, from the next event on. */
    setDimensions(dimensions: Dimensions): void;
    /** Nothing was or is sent or stored without it; `false` forgets what waits. */
    setConsent(consent: boolean): void;
    /** An event that neither the element nor its library tells. */
    event(type: EventType, fields?: Fields): void;
    /** An error that playback survives, or a `fatal` one, which ends the session unless frames move again. */
    error(code?: string | number | null, details?: ErrorDetails): void;
    /** `stitched`: the picture does not stand still at the edge. */
    adBreakStart(how?: {
        stitched?: boolean;
    }): void;
    adBreakEnd(how?: {
        stitched?: boolean;
    }): void;
    /** The bitrate on screen. */
    rendition(kbps: number | undefined): void;
    /** The CDN that serves from now on; hosts of segments are then no longer taken for it. */
    cdn(name: string): void;
    /** Ends the session, by default because the viewer left; the next play begins another one. */
    end(reason?: "finished" | "exited"): void;
    /** Ends the session and lets go of the element. */
    stop(): void;
    /** A segment came from this host. */
    servedBy(host: string): void;
    /** Runs when the element is let go. */
    cleanup(undo: () => void): void;
    /** Play was pressed. */
    press(): void;
    /** Frames move. */
    moves(): void;
    /** The element ran out of data. */
    waits(): void;
    seeks(): void;
    sought(): void;
    pauses(): void;
    ends(): void;
    /** The playhead may have moved. */
    ticks(): void;
    /** Nothing is loaded any more: the viewer left, unless the same source is loaded again. */
    empties(): void;
    /** Something is loaded: another source is another viewing. */
    source(): void;
    /** An element that plays by itself is asked to when it begins to load. */
    autoplay(): void;
    /** All is there and nothing plays: autoplay is not allowed here. */
    blocked(): void;
    /** Cuts the interval, because what holds has changed. */
    cut(type: EventType): void;
    /** Page or tab goes: all that is known leaves. */
    leaves(): void;
    /** The page is shown again as it was left: the same viewing, paused meanwhile. */
    returns(): void;
    protected renew(): void;
    private goesOn;
    private beat;
}

/** Options: what an app gives to watch, and what an adapter of a library gives. */

/** What a library tells and the element does not. */
interface Adapter {
    /** Begins to listen; gives what the library says of itself. */
    attach(watcher: Watcher): Dimensions;
    /** Address of what is loaded. */
    source?(): string | null | undefined;
    /** Undefined while it is not known. */
    live?(): boolean | undefined;
}
interface Options {
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
interface ErrorDetails {
    /** Playback cannot go on by itself. */
    fatal?: boolean;
    /** A rule did what it should: not entitled, geo-block, stream limit. */
    business?: boolean;
}

/** `@qoescope/web`: watches a video element and reports what its viewer lives through. Apache-2.0. */

declare const version = "1.0.0";

/** For a script tag: the core with every adapter, which it chooses by the player that it is given. Apache-2.0. */

interface AnyOptions extends Omit<Options, "player"> {
    /** An hls.js, dash.js, Shaka or video.js player; without one, bitrates and library errors stay unknown. */
    player?: unknown;
}
/** The adapter that fits the player; undefined when none does. */
declare function adapter(player: unknown): Adapter | undefined;
/** Watches the element from now on; call it before `play()`. Raises `TypeError` without url and key. */
declare function watch(video: HTMLVideoElement, options: AnyOptions): Watcher;

export { adapter, version, watch };
export type { AnyOptions };
