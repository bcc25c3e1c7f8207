import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { normalizeEmail, normalizeUsername, PersistPgModule } from 'nestjs-persistpg';
import { prometheus } from 'nestjs-persistpg/prometheus';
import { AccountsModule } from './accounts/accounts.module';
import { BadInputFilter } from './bad-input.filter';
import { CatalogModule } from './catalog/catalog.module';
import { LoginModule } from './login/login.module';
import { OperationsModule } from './operations/operations.module';
import { OrdersModule } from './orders/orders.module';
import { PricesModule } from './prices/prices.module';
import { SessionModule } from './session/session.module';
import { ShareModule } from './share/share.module';
import { StocktakingModule } from './stocktaking/stocktaking.module';
import { TenantsModule } from './tenants/tenants.module';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({ type: 'postgres', url: process.env['DATABASE_URL']!, autoLoadEntities: true, synchronize: true }),
    }),
    // On the DataSource above.
    PersistPgModule.forRoot({
      instrumentation: prometheus(), // served at /metrics
      session: { userId: ({ user }) => user as string | undefined },
      reservation: { normalize: { 'accounts.username': normalizeUsername, 'accounts.email': normalizeEmail } },
    }),
    ScheduleModule.forRoot(),
    OperationsModule,
    CatalogModule,
    PricesModule,
    ShareModule,
    TenantsModule,
    OrdersModule,
    AccountsModule,
    LoginModule,
    SessionModule,
    StocktakingModule,
  ],
  providers: [{ provide: APP_FILTER, useClass: BadInputFilter }],
})
export class AppModule {}
