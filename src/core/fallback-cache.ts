import { buildKey } from './build-key.js';
import type { Clock } from './clock.js';
import { type Cover, coverText } from './coherence/cover.js';
import { Mirror, type MirrorStats } from './coherence/mirror.js';
import { type Counters, newCounters } from './counters.js';
import type { Entry, NewEntry } from './entry.js';
import { CacheError } from './errors.js';
import { type CacheEvents, GuardedEmitter, type Tier } from './events.js';
import { type CoreSettings, type Duration, type FallbackCacheOptions, positiveDuration, readCoreOptions } from './options.js';
import { SingleFlight } from './single-flight.js';
import { MemoryTier } from './tiers/memory-tier.js';
import type { Stamp } from './wire-frame.js';

/** What a lookup found. */
export interface Found {
	readonly entry: Entry;
	/** Where it came from. */
	readonly tier: Tier;
	/** True when Redis could not be asked: others may have invalidated it within `maxStaleWhileDisconnected`. */
	readonly disconnected: boolean;
}

/** The moment a handler started, as far as invalidations go. */
export interface Mark {
	/** The newest invalidation this process knew of. */
	readonly sequence: number;
	/** Its place in the shared log. */
	readonly stamp: Stamp;
	/** Monotonic milliseconds. */
	readonly startedAt: number;
}

/** What became of a result that was to be stored. */
export interface Stored {
	/** Whether it is in memory now. */
	readonly stored: boolean;
	/** Why not, if it is not. */
	readonly reason?: 'invalidated' | 'too-slow' | 'too-large' | 'expired' | 'closed';
	/** Resolves when Redis has it, or will not have it; never rejects. */
	readonly written: Promise<void>;
}

/** What became of an invalidation. It always holds in this process. */
export interface Invalidation {
	/** True once every process is bound by it; false when Redis could not be told yet and will be. */
	readonly durable: boolean;
}

/** How long a value lives, and what can invalidate it. */
export interface SetOptions {
	/** Seconds or a duration text, above 0. @defaultValue `defaultTtl` */
	readonly ttl?: Duration | undefined;
	/** What {@link FallbackCache.invalidateTags} can name it by. */
	readonly tags?: readonly string[] | undefined;
}

/** What {@link FallbackCache.stats} tells. */
export interface CacheStats {
	/** Whether there is a Redis behind this cache. */
	readonly backend: 'redis' | 'memory';
	/** Entries in memory. */
	readonly entries: number;
	readonly maxEntries: number;
	/** Seconds since the entry that is next to be evicted was stored; `null` when memory is empty. */
	readonly oldestAgeSeconds: number | null;
	/** The same as `entries`, under the name the Python original uses beside Redis. */
	readonly memoryEntries: number;
	readonly memoryBytes: number;
	readonly maxBytes: number;
	readonly keyPrefix: string;
	readonly circuitBreakerState: 'closed' | 'open' | 'half_open';
	readonly circuitBreakerFailureCount: number;
	/** False while Redis is there but not trusted. */
	readonly connected: boolean;
	/** Invalidations that Redis and the other processes do not know of yet. */
	readonly pendingInvalidations: number;
	readonly mirror: MirrorStats;
	readonly counters: Readonly<Counters>;
}

const nowhere: Stamp = { incarnation: '-', position: 0 };
const done = Promise.resolve();

/**
 * A cache of anything: Redis first, memory behind it.
 *
 * Reads ask Redis and fall back to memory on a miss and on any failure, within `redisTimeout`; every store writes
 * both. Invalidations hold in this process at once and everywhere when they say `durable`. Nothing here throws for a
 * fault of Redis.
 */
export class FallbackCache {
	/** See {@link buildKey}. */
	static readonly buildKey = buildKey;

	/** Where this cache takes its time from. */
	readonly clock: Clock;
	/** What has been counted; the HTTP layer counts here too. */
	readonly counters: Counters = newCounters();
	readonly #settings: CoreSettings;
	readonly #events = new GuardedEmitter();
	readonly #memory: MemoryTier;
	readonly #mirror: Mirror;
	readonly #flights = new SingleFlight<unknown>();
	#closed = false;

	/** @throws TypeError or RangeError for options that cannot be meant */
	constructor(options: FallbackCacheOptions = {}) {
		this.#settings = readCoreOptions(options);
		this.clock = this.#settings.clock;
		this.#mirror = new Mirror(this.#settings.maxMirrorBytes);
		this.#memory = new MemoryTier(this.#settings.maxEntries, this.#settings.maxBytes, (key, _slot, reason) => {
			this.counters.evictions++;
			this.#events.tell('evict', { key, reason });
		});
	}

	find(key: string): Found | undefined | Promise<Found | undefined> {
		return this.#findInMemory(key, false);
	}

	mark(): Mark {
		return { sequence: this.#mirror.sequence, stamp: nowhere, startedAt: this.clock.monotonic() };
	}

	isInvalidated(key: string, tags: readonly string[], mark: Mark): boolean {
		return this.#mirror.coversSince(key, tags, mark.sequence);
	}

	store(key: string, entry: NewEntry, mark: Mark): Stored {
		if (this.#closed) return { stored: false, reason: 'closed', written: done };
		const tags = entry.tags ?? [];
		if (this.isInvalidated(key, tags, mark)) {
			this.counters.lateStores++;
			return { stored: false, reason: 'invalidated', written: done };
		}
		const now = this.clock.now();
		const kept: Entry = {
			storedAt: entry.storedAt ?? now,
			staleAt: entry.staleAt,
			deleteAt: entry.deleteAt,
			tags,
			meta: entry.meta ?? '',
			body: entry.body,
			memo: undefined,
		};
		const slot = { entry: kept, sequence: mark.sequence, knownAt: mark.startedAt, stamp: mark.stamp, writtenIn: undefined };
		const stored = this.#memory.put(key, slot);
		this.counters.stores++;
		this.#events.tell('store', { key, tags });
		return stored ? { stored, written: done } : { stored, reason: 'too-large', written: done };
	}

	async get<T = unknown>(key: string): Promise<T | null> {
		checkKey(key);
		const found = await this.find(key);
		if (found === undefined || found.entry.staleAt <= this.clock.now()) {
			this.counters.misses++;
			this.#events.tell('miss', { key });
			return null;
		}
		if (found.tier === 'redis') this.counters.redisHits++;
		else this.counters.memoryHits++;
		this.#events.tell('hit', { key, tier: found.tier, stale: false });
		return this.#deserialize(found.entry) as T;
	}

	async set(key: string, value: unknown, options?: Duration | SetOptions): Promise<void> {
		checkKey(key);
		await this.#keep(key, value, readSetOptions(options), this.mark());
	}

	async getOrSet<T>(key: string, compute: () => T | Promise<T>, options?: Duration | SetOptions): Promise<T> {
		const checked = readSetOptions(options);
		const known = await this.get<T>(key);
		if (known !== null) return known;
		const flight = this.#flights.join(
			key,
			(joined) => !this.isInvalidated(key, checked.tags ?? [], joined),
			this.mark(),
			async (mark) => {
				const value = await compute();
				await this.#keep(key, value, checked, mark);
				return value;
			},
		);
		return (await flight) as T;
	}

	async delete(key: string): Promise<boolean> {
		checkKey(key);
		const had = this.#findInMemory(key, false) !== undefined;
		await this.#invalidate([{ kind: 'key', key }]);
		return had;
	}

	invalidateKey(key: string): Promise<Invalidation> {
		checkKey(key);
		return this.#invalidate([{ kind: 'key', key }]);
	}

	invalidatePrefix(prefix: string, options: { readonly ignoreCase?: boolean } = {}): Promise<Invalidation> {
		return this.invalidatePrefixes([prefix], options);
	}

	invalidatePrefixes(prefixes: readonly string[], options: { readonly ignoreCase?: boolean } = {}): Promise<Invalidation> {
		const ignoreCase = options.ignoreCase ?? false;
		return this.#invalidate(prefixes.map((prefix) => ({ kind: 'prefix', prefix: checkKey(prefix), ignoreCase })));
	}

	invalidateTags(tags: readonly string[]): Promise<Invalidation> {
		return this.#invalidate(tags.map((tag) => ({ kind: 'tag', tag: checkKey(tag) })));
	}

	clear(): Promise<Invalidation> {
		return this.#invalidate([{ kind: 'all' }]);
	}

	stats(): CacheStats {
		const memory = this.#memory.stats();
		const oldest = this.#memory.oldest();
		return {
			backend: 'memory',
			entries: memory.entries,
			maxEntries: memory.maxEntries,
			oldestAgeSeconds: oldest === undefined ? null : (this.clock.now() - oldest.entry.storedAt) / 1000,
			memoryEntries: memory.entries,
			memoryBytes: memory.bytes,
			maxBytes: memory.maxBytes,
			keyPrefix: this.#settings.keyPrefix,
			circuitBreakerState: 'closed',
			circuitBreakerFailureCount: 0,
			connected: true,
			pendingInvalidations: 0,
			mirror: this.#mirror.stats(),
			counters: { ...this.counters, refused: { ...this.counters.refused } },
		};
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#memory.clear();
	}

	on<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
		this.#events.on(event, listener as never);
		return this;
	}

	once<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
		this.#events.once(event, listener as never);
		return this;
	}

	off<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
		this.#events.off(event, listener as never);
		return this;
	}

	/** For the layers above: tells the listeners of this cache. A listener that throws breaks nothing. */
	emit<Name extends keyof CacheEvents>(event: Name, payload: CacheEvents[Name][0]): void {
		this.#events.tell(event, payload);
	}

	listenerCount(event: keyof CacheEvents): number {
		return this.#events.listenerCount(event);
	}

	#findInMemory(key: string, disconnected: boolean): Found | undefined {
		const slot = this.#memory.get(key);
		if (slot === undefined) return undefined;
		if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) {
			this.#memory.delete(key);
			return undefined;
		}
		if (slot.entry.deleteAt <= this.clock.now()) {
			this.#memory.delete(key);
			return undefined;
		}
		slot.sequence = this.#mirror.sequence;
		return { entry: slot.entry, tier: 'memory', disconnected };
	}

	async #keep(key: string, value: unknown, options: SetOptions, mark: Mark): Promise<void> {
		const lifetime = options.ttl === undefined ? this.#settings.defaultTtl : positiveDuration(options.ttl, 'ttl') * 1000;
		const { body, meta } = this.#serialize(value);
		const now = this.clock.now();
		const moments = { storedAt: now, staleAt: now + lifetime, deleteAt: now + lifetime };
		await this.store(key, { ...moments, tags: options.tags ?? [], meta, body }, mark).written;
	}

	#serialize(value: unknown): { body: Buffer; meta: string } {
		try {
			const data: unknown = this.#settings.serializer(value);
			if (typeof data === 'string') return { body: ownBuffer(data), meta: '' };
			if (Buffer.isBuffer(data)) return { body: Buffer.from(data), meta: 'b' };
			throw new TypeError(`the serializer gave ${data === undefined ? 'undefined' : typeof data}, not a string or Buffer`);
		} catch (thrown) {
			this.counters.serializerErrors++;
			throw new CacheError('serializer', `the value cannot be serialised: ${String(thrown)}`, thrown);
		}
	}

	#deserialize(entry: Entry): unknown {
		const { deserializer } = this.#settings;
		const data = entry.meta === 'b' ? Buffer.from(entry.body) : entry.body.toString();
		return deserializer(data as never);
	}

	#invalidate(covers: readonly Cover[]): Promise<Invalidation> {
		if (covers.length === 0) return Promise.resolve({ durable: true });
		this.counters.invalidations++;
		this.#mirror.record(covers, 0);
		for (const cover of covers) if (cover.kind === 'key') this.#memory.delete(cover.key);
		this.#events.tell('invalidate', { covers: covers.map(coverText), origin: 'local' });
		return Promise.resolve({ durable: true });
	}
}

function ownBuffer(text: string): Buffer {
	const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
	bytes.utf8Write(text, 0);
	return bytes;
}

function checkKey(key: string): string {
	if (typeof key !== 'string') throw new TypeError(`a key must be a string, got ${typeof key}`);
	return key;
}

function readSetOptions(options: Duration | SetOptions | undefined): SetOptions {
	if (options === undefined) return {};
	if (typeof options === 'object' && options !== null) return options;
	return { ttl: options };
}
