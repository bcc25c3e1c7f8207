import { BadRequestException, Injectable } from '@nestjs/common';
import { Kv } from 'nestjs-persistpg';

/** Notes of each tenant, in a namespace of its own: whoever holds one cannot reach another. */
@Injectable()
export class TenantsService {
  constructor(private readonly kv: Kv) {}

  async tenants(): Promise<string[]> {
    return this.kv.ns('tenants').namespaces();
  }

  async notes(tenant: string): Promise<Record<string, string>> {
    const notes: Record<string, string> = {};
    for await (const [name, text] of this.of(tenant).entries()) notes[name] = text;
    return notes;
  }

  async write(tenant: string, name: string, text: string): Promise<void> {
    await this.of(tenant).set(name, text);
  }

  async remove(tenant: string, name: string): Promise<boolean> {
    return (await this.of(tenant).delete(name)) === 1;
  }

  /** Removes what this tenant has, and nothing else. */
  clear(tenant: string): Promise<number> {
    return this.of(tenant).clear();
  }

  private of(tenant: string): Kv<string> {
    // A colon would name a namespace inside another tenant's.
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(tenant)) throw new BadRequestException('A tenant is named by small letters, digits and hyphens.');
    return this.kv.ns('tenants').ns<string>(tenant);
  }
}
