import { setTimeout } from 'node:timers/promises';
import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Cached, PersistPg } from 'nestjs-persistpg';
import type { Repository } from 'typeorm';
import { Product } from '../catalog/product.entity';

export interface PriceList {
  readonly madeAt: string;
  readonly prices: readonly { slug: string; name: string; cents: number }[];
}

export interface Bestsellers {
  readonly madeAt: string;
  readonly slugs: readonly string[];
}

export const httpCache = 'http';
export const priceListKey = 'prices';

@Injectable()
export class PricesService {
  constructor(
    private readonly persist: PersistPg,
    @InjectRepository(Product) private readonly products: Repository<Product>,
  ) {}

  /** Slow, so that one sees whether it was made or kept. */
  async list(): Promise<PriceList> {
    await setTimeout(400);
    const prices = await this.products.find({ select: { slug: true, name: true, cents: true }, order: { name: 'asc' } });
    return { madeAt: new Date().toISOString(), prices };
  }

  /** The kept list goes with the commit of the new price: nobody is shown the old one after that. */
  async raise(slug: string): Promise<void> {
    await this.persist.transaction(async ({ manager, cache }) => {
      const { affected } = await manager.increment(Product, { slug }, 'cents', 10);
      if (affected === 0) throw new NotFoundException(`There is no product ${slug}.`);
      await cache.namespace(httpCache).delete(priceListKey);
    });
  }

  /** However many ask at once, in whichever process: one works it out, and the others get what it has found. */
  @Cached({ key: 'bestsellers', ttl: '5s' })
  async bestsellers(): Promise<Bestsellers> {
    await setTimeout(400);
    const rows = await this.products.manager.query<{ slug: string }[]>(
      'select slug from shop_orders group by slug order by sum(quantity) desc limit 3',
    );
    return { madeAt: new Date().toISOString(), slugs: rows.map(({ slug }) => slug) };
  }
}
