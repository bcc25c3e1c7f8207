import { Body, Controller, Get, Param, Post, Redirect } from '@nestjs/common';
import { parseDuration } from 'nestjs-persistpg';
import { type ListedLink, ShareService } from './share.service';

@Controller()
export class ShareController {
  constructor(private readonly share: ShareService) {}

  @Post('api/links')
  async create(@Body() body: { slug?: string; ttl?: string }): Promise<{ id: string; path: string }> {
    const ttl = body.ttl === undefined ? undefined : parseDuration(body.ttl);
    const id = await this.share.create(String(body.slug), ttl);
    return { id, path: `/s/${id}` };
  }

  @Get('api/links')
  list(): Promise<ListedLink[]> {
    return this.share.list();
  }

  @Get('s/:id')
  @Redirect()
  async follow(@Param('id') id: string): Promise<{ url: string; statusCode: number }> {
    return { url: `/products/${await this.share.follow(id)}`, statusCode: 302 };
  }
}
