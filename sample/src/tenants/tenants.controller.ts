import { Body, Controller, Delete, Get, HttpCode, NotFoundException, Param, Put } from '@nestjs/common';
import { TenantsService } from './tenants.service';

@Controller('api/tenants')
export class TenantsController {
  constructor(private readonly tenants: TenantsService) {}

  @Get()
  list(): Promise<string[]> {
    return this.tenants.tenants();
  }

  @Get(':tenant/notes')
  notes(@Param('tenant') tenant: string): Promise<Record<string, string>> {
    return this.tenants.notes(tenant);
  }

  @Put(':tenant/notes/:name')
  @HttpCode(204)
  write(@Param('tenant') tenant: string, @Param('name') name: string, @Body() body: { text?: string }): Promise<void> {
    return this.tenants.write(tenant, name, String(body.text ?? ''));
  }

  @Delete(':tenant/notes/:name')
  @HttpCode(204)
  async remove(@Param('tenant') tenant: string, @Param('name') name: string): Promise<void> {
    if (!(await this.tenants.remove(tenant, name))) throw new NotFoundException();
  }

  @Delete(':tenant/notes')
  async clear(@Param('tenant') tenant: string): Promise<{ removed: number }> {
    return { removed: await this.tenants.clear(tenant) };
  }
}
