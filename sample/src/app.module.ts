import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PersistPgModule } from 'nestjs-persistpg';
import { BadInputFilter } from './bad-input.filter';
import { CatalogModule } from './catalog/catalog.module';
import { OrdersModule } from './orders/orders.module';
import { ShareModule } from './share/share.module';
import { TenantsModule } from './tenants/tenants.module';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({ type: 'postgres', url: process.env['DATABASE_URL']!, autoLoadEntities: true, synchronize: true }),
    }),
    PersistPgModule.forRoot(), // on the DataSource above
    CatalogModule,
    ShareModule,
    TenantsModule,
    OrdersModule,
  ],
  providers: [{ provide: APP_FILTER, useClass: BadInputFilter }],
})
export class AppModule {}
