import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { CatalogService, type ListedProduct } from './catalog.service';
import { productPage } from './product-page';

@Controller()
export class CatalogController {
  constructor(private readonly catalog: CatalogService) {}

  @Get('api/products')
  list(): Promise<ListedProduct[]> {
    return this.catalog.list();
  }

  @Get('products/:slug')
  async page(@Param('slug') slug: string): Promise<string> {
    const product = await this.catalog.find(slug);
    return productPage(product, await this.catalog.view(slug));
  }

  @Post('api/products/:slug/restock')
  @HttpCode(204)
  restock(@Param('slug') slug: string): Promise<void> {
    return this.catalog.restock(slug);
  }
}
