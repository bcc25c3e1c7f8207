import { randomBytes } from 'node:crypto';
import { Inject, Injectable, NotFoundException } from '@nestjs/common';
import { type CollectionOf, type Duration, InjectCollection, KV, type Kv } from 'nestjs-persistpg';
import { CatalogService } from '../catalog/catalog.service';
import { ShareLinks } from './share-link';

export interface ListedLink {
  readonly id: string;
  readonly slug: string;
  readonly expiresAt: Date | undefined;
  readonly visits: number;
}

@Injectable()
export class ShareService {
  private readonly visits: Kv<number>;

  constructor(
    @InjectCollection(ShareLinks) private readonly links: CollectionOf<typeof ShareLinks>,
    @Inject(KV) kv: Kv,
    private readonly catalog: CatalogService,
  ) {
    this.visits = kv.ns('share-visits');
  }

  async create(slug: string, ttl?: Duration): Promise<string> {
    await this.catalog.find(slug);
    for (;;) {
      const id = randomBytes(5).toString('base64url');
      // Whoever is first has the id; without a ttl it is the collection's.
      if (await this.links.setnx(id, { slug }, ttl)) return id;
    }
  }

  /** Gives the product behind a link and counts the visit; an expired link is a missing one. */
  async follow(id: string): Promise<string> {
    const link = await this.links.getEntry(id);
    if (link === undefined) throw new NotFoundException('This link does not exist, or it has expired.');
    // The first visit makes the counter, which ends when the link does.
    await this.visits.incr(id, 1, { ttl: link.ttl ?? '7d' });
    return link.value.slug;
  }

  async list(): Promise<ListedLink[]> {
    const ids: string[] = [];
    for await (const id of this.links.keys()) ids.push(id);
    // Called together, sent together: one statement for the links and one for their counters.
    const [links, visits] = await Promise.all([Promise.all(ids.map((id) => this.links.getEntry(id))), this.visits.mget(ids)]);
    return links.flatMap((link, i) =>
      link === undefined ? [] : [{ id: link.key, slug: link.value.slug, expiresAt: link.expiresAt, visits: visits[i] ?? 0 }],
    );
  }
}
