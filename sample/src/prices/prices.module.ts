import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PersistPgCache } from 'nestjs-persistpg';
import { createKeyv } from 'nestjs-persistpg/keyv';
import { Product } from '../catalog/product.entity';
import { PricesController } from './prices.controller';
import { httpCache, PricesService } from './prices.service';

@Module({
  imports: [
    TypeOrmModule.forFeature([Product]),
    // What CacheInterceptor keeps is a namespace of the cache, so that the service can evict it.
    CacheModule.registerAsync({
      inject: [PersistPgCache],
      useFactory: (cache: PersistPgCache) => ({ stores: [createKeyv(cache, { namespace: httpCache })] }),
    }),
  ],
  controllers: [PricesController],
  providers: [PricesService],
})
export class PricesModule {}
