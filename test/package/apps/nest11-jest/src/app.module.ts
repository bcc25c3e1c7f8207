import { Inject, Injectable, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Cached, KV, Kv, PersistPgModule, WithLock } from 'nestjs-persistpg';

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

@Module({
  imports: [TypeOrmModule.forRoot({ type: 'postgres', url: process.env.DATABASE_URL }), PersistPgModule.forRoot()],
  providers: [AppService],
})
export class AppModule {}
