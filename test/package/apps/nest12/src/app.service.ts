import { Inject, Injectable } from '@nestjs/common';
import { Cached, KV, Kv, WithLock } from 'nestjs-persistpg';

@Injectable()
export class AppService {
  constructor(
    @Inject(KV) private readonly kv: Kv,
    private readonly sameKv: Kv,
  ) {}

  @WithLock('hello', { onBusy: 'throw' })
  @Cached()
  async getHello(): Promise<string> {
    await this.kv.set('greeting', { to: 'World' }, { ttl: '1m' });
    const greeting = await this.sameKv.get<{ to: string }>('greeting');
    return `Hello ${greeting?.to}!`;
  }
}
