import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PersistPgModule } from 'nestjs-persistpg';
import { BadInputFilter } from './bad-input.filter';
import { CatalogModule } from './catalog/catalog.module';
import { LoginModule } from './login/login.module';
import { OrdersModule } from './orders/orders.module';
import { ShareModule } from './share/share.module';
import { StocktakingModule } from './stocktaking/stocktaking.module';
import { TenantsModule } from './tenants/tenants.module';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({ type: 'postgres', url: process.env['DATABASE_URL']!, autoLoadEntities: true, synchronize: true }),
    }),
    PersistPgModule.forRoot(), // on the DataSource above
    ScheduleModule.forRoot(),
    CatalogModule,
    ShareModule,
    TenantsModule,
    OrdersModule,
    LoginModule,
    StocktakingModule,
  ],
  providers: [{ provide: APP_FILTER, useClass: BadInputFilter }],
})
export class AppModule {}
