/** What is evicted in one namespace: keys, what has one of the tags, or what begins so (`''`: everything). One of the three is given. */
export interface Eviction {
  readonly namespace: string;
  readonly keys?: readonly string[];
  readonly tags?: readonly string[];
  readonly prefix?: string;
}
