import { DataSource, EntitySchema, type DataSourceOptions } from 'typeorm';
import { DataSource as DataSource03, EntitySchema as EntitySchema03 } from 'typeorm03';
import { onTestFinished } from 'vitest';
import type { TestDatabase } from '../support/database';

/** A row of the app's own. */
export interface Order {
  id: string;
  total: number;
}

const entity = (schema: string) => ({
  name: 'Order',
  tableName: 'orders',
  schema,
  columns: { id: { type: 'text', primary: true }, total: { type: 'int' } },
});

type Settings = Partial<DataSourceOptions> & { extra?: object };

/** The app's DataSource, by the major version of TypeORM; destroyed after the test. */
export const dataSources = {
  '1.x': (database: TestDatabase, settings: Settings = {}) =>
    opened(
      new DataSource({
        type: 'postgres',
        url: database.url,
        entities: [new EntitySchema<Order>(entity(database.schema) as never)],
        ...settings,
      } as DataSourceOptions),
    ),
  '0.3': (database: TestDatabase, settings: Settings = {}) =>
    opened(
      new DataSource03({
        type: 'postgres',
        url: database.url,
        entities: [new EntitySchema03<Order>(entity(database.schema) as never)],
        ...settings,
      } as never) as unknown as DataSource,
    ),
};

async function opened(dataSource: DataSource): Promise<DataSource> {
  await dataSource.initialize();
  onTestFinished(async () => {
    if (dataSource.isInitialized) await dataSource.destroy();
  });
  return dataSource;
}

/** The app's table, made by the app. */
export async function makeOrders({ schema, query }: TestDatabase): Promise<void> {
  await query(`create schema if not exists ${schema}`);
  await query(`create table if not exists ${schema}.orders (id text primary key, total int not null)`);
}

/** Ids of the orders that others see. */
export async function ordersIn({ schema, query }: TestDatabase): Promise<string[]> {
  return (await query<{ id: string }>(`select id from ${schema}.orders order by id`)).map(({ id }) => id);
}
