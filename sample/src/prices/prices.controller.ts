import { CacheInterceptor, CacheKey, CacheTTL } from '@nestjs/cache-manager';
import { Controller, Get, HttpCode, Param, Post, UseInterceptors } from '@nestjs/common';
import { type Bestsellers, type PriceList, priceListKey, PricesService } from './prices.service';

@Controller('api')
export class PricesController {
  constructor(private readonly prices: PricesService) {}

  /** Says by `X-Cache: HIT` or `MISS` where the answer is from. */
  @Get('prices')
  @UseInterceptors(CacheInterceptor)
  @CacheKey(priceListKey)
  @CacheTTL(30_000)
  list(): Promise<PriceList> {
    return this.prices.list();
  }

  @Post('prices/:slug/raise')
  @HttpCode(204)
  raise(@Param('slug') slug: string): Promise<void> {
    return this.prices.raise(slug);
  }

  @Get('bestsellers')
  bestsellers(): Promise<Bestsellers> {
    return this.prices.bestsellers();
  }
}
