import type { CacheRoom } from './cache-room';
import type { Eviction } from './eviction';
import { Flight, type FlightPlan } from './flight';

/** What is being made in this process: one flight a key. */
export class Flights {
  private readonly byNamespace = new Map<string, Map<string, Flight>>();
  /** Those too that callers may not join any more. */
  private readonly all = new Set<Flight>();

  constructor(private readonly room: CacheRoom) {}

  /** The flight that a caller may join, or a new one. */
  join(plan: FlightPlan): { flight: Flight; joined: boolean } {
    const { namespace, key, when } = plan;
    let flights = this.byNamespace.get(namespace);
    if (flights === undefined) this.byNamespace.set(namespace, (flights = new Map()));
    const present = flights.get(key);
    // Who wants a value whatever there is may share a run that has yet to begin, not one that may have read the old rows.
    if (present !== undefined && (when !== 'always' || (present.plan.when === 'always' && !present.started))) {
      return { flight: present, joined: true };
    }
    const flight = new Flight(this.room, plan);
    flights.set(key, flight);
    this.all.add(flight);
    const landed = (): void => {
      this.all.delete(flight);
      if (flights.get(key) === flight) flights.delete(key);
      if (flights.size === 0 && this.byNamespace.get(namespace) === flights) this.byNamespace.delete(namespace);
    };
    flight.outcome.then(landed, landed);
    return { flight, joined: false };
  }

  /** Whether something is being made under the key. */
  has(namespace: string, key: string): boolean {
    return this.byNamespace.get(namespace)?.has(key) === true;
  }

  /** Later callers do not join what may have been made of what is evicted now. */
  evict(eviction: Eviction): void {
    const { namespace } = eviction;
    for (const flight of this.all) {
      if (flight.plan.namespace !== namespace || !mayMeet(eviction, flight)) continue;
      const flights = this.byNamespace.get(namespace);
      if (flights?.get(flight.plan.key) === flight) flights.delete(flight.plan.key);
    }
  }

  /** Whether nothing is being made. */
  get isIdle(): boolean {
    return this.all.size === 0;
  }

  /** Resolves when nothing is being made any more. */
  async close(): Promise<void> {
    const all = [...this.all];
    for (const flight of all) flight.close();
    await Promise.allSettled(all.map((flight) => flight.outcome));
  }
}

// Which tags a factory will set is not known before it has.
function mayMeet({ keys, tags, prefix }: Eviction, { plan, evictedTags }: Flight): boolean {
  if (keys !== undefined) return keys.includes(plan.key);
  if (prefix !== undefined) return plan.key.startsWith(prefix);
  for (const tag of tags ?? []) evictedTags.add(tag);
  return true;
}
