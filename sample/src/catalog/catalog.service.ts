import { Injectable, NotFoundException, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { InjectKv, type Kv } from 'nestjs-persistpg';
import type { Repository } from 'typeorm';
import { firstProducts, Product } from './product.entity';

export type ListedProduct = Product & { views: number; stock: number };

export const firstStock = 12;

@Injectable()
export class CatalogService implements OnModuleInit {
  constructor(
    @InjectRepository(Product) private readonly products: Repository<Product>,
    @InjectKv({ namespace: 'views' }) private readonly views: Kv<number>,
    @InjectKv({ namespace: 'stock' }) private readonly stock: Kv<number>,
  ) {}

  async onModuleInit(): Promise<void> {
    // A shop that was open before keeps its prices, and what is left.
    await this.products.createQueryBuilder().insert().values(firstProducts).orIgnore().execute();
    await Promise.all(firstProducts.map(({ slug }) => this.stock.setnx(slug, firstStock)));
  }

  async list(): Promise<ListedProduct[]> {
    const products = await this.products.find({ order: { name: 'asc' } });
    const slugs = products.map(({ slug }) => slug);
    const [views, stock] = await Promise.all([this.views.mget(slugs), this.stock.mget(slugs)]);
    return products.map((product, i) => ({ ...product, views: views[i] ?? 0, stock: stock[i] ?? 0 }));
  }

  async find(slug: string): Promise<Product> {
    const product = await this.products.findOneBy({ slug });
    if (product === null) throw new NotFoundException(`There is no product ${slug}.`);
    return product;
  }

  /** Counts a view; exact however many processes and visitors there are. */
  view(slug: string): Promise<number> {
    return this.views.incr(slug);
  }

  async restock(slug: string): Promise<void> {
    await this.find(slug);
    await this.stock.set(slug, firstStock);
  }
}
