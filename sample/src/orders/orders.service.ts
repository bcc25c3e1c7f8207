import { BadRequestException, ConflictException, Injectable, UnprocessableEntityException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { PersistPg } from 'nestjs-persistpg';
import type { Repository } from 'typeorm';
import { CatalogService } from '../catalog/catalog.service';
import { Order } from './order.entity';

/** What the KV keeps beside an order. */
export interface Receipt {
  readonly total: number;
  readonly left: number;
}

export interface Wish {
  readonly slug: string;
  readonly quantity: number;
  /** Fails after everything has been written, as a refused payment would. */
  readonly fail?: boolean;
}

@Injectable()
export class OrdersService {
  constructor(
    private readonly persist: PersistPg,
    private readonly catalog: CatalogService,
    @InjectRepository(Order) private readonly orders: Repository<Order>,
  ) {}

  /** Order, receipt and stock change together or not at all. */
  async place({ slug, quantity, fail = false }: Wish): Promise<Order & { receipt: Receipt }> {
    if (!Number.isSafeInteger(quantity) || quantity < 1) throw new BadRequestException('Order at least one.');
    const { cents } = await this.catalog.find(slug);

    return this.persist.transaction(async ({ manager, kv }) => {
      const left = await kv.ns('stock').decr(slug, quantity, { min: 0 });
      if (left === undefined) throw new ConflictException('Sold out.');

      const order = await manager.save(manager.create(Order, { slug, quantity }));
      const receipt: Receipt = { total: cents * quantity, left };
      await kv.ns('receipts').set(String(order.id), receipt);

      if (fail) throw new UnprocessableEntityException(`The payment failed: order ${order.id}, its receipt and its stock are undone.`);
      return { ...order, receipt };
    });
  }

  async list(): Promise<(Order & { receipt: Receipt | undefined })[]> {
    const orders = await this.orders.find({ order: { id: 'desc' }, take: 50 });
    const receipts = await this.persist.kv.ns<Receipt>('receipts').mget(orders.map(({ id }) => String(id)));
    return orders.map((order, i) => ({ ...order, receipt: receipts[i] }));
  }

  /** The two are always equal: that is the point of the transaction. */
  async counts(): Promise<{ orders: number; receipts: number }> {
    const [orders, receipts] = await Promise.all([this.orders.count(), this.persist.kv.ns('receipts').count()]);
    return { orders, receipts };
  }
}
