import { Body, Controller, Get, Post } from '@nestjs/common';
import type { Order } from './order.entity';
import { OrdersService, type Receipt } from './orders.service';

@Controller('api/orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  place(@Body() body: { slug?: string; quantity?: number; fail?: boolean }): Promise<Order & { receipt: Receipt }> {
    return this.orders.place({ slug: String(body.slug), quantity: Number(body.quantity ?? 1), fail: body.fail === true });
  }

  @Get()
  async list(): Promise<{ counts: { orders: number; receipts: number }; latest: (Order & { receipt: Receipt | undefined })[] }> {
    const [counts, latest] = await Promise.all([this.orders.counts(), this.orders.list()]);
    return { counts, latest };
  }
}
