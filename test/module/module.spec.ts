import { Inject, Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  createPersistPg,
  defineCollection,
  getCollectionToken,
  getKvToken,
  getPersistPgToken,
  InjectCollection,
  InjectKv,
  InjectPersistPg,
  KV,
  Kv,
  PERSIST_PG,
  PersistPg,
  PersistPgModule,
  SWEEPER,
  Sweeper,
  type CollectionOf,
  type PersistPgModuleOptions,
  type PersistPgOptionsFactory,
} from '../../lib';
import { createMemoryPersistPg, PersistPgTestingModule } from '../../lib/testing';
import { eventually, testDatabase } from '../support/database';

const database = testDatabase();
const options: PersistPgModuleOptions = { url: database.url, schema: database.schema, sweeper: { autoStart: false } };
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const module of open.splice(0)) await module.close();
});

async function boot(...imports: NonNullable<Parameters<typeof Module>[0]['imports']>) {
  return bootWith({ imports });
}
async function bootWith(metadata: Parameters<typeof Test.createTestingModule>[0]) {
  const module = await Test.createTestingModule(metadata).compile();
  open.push(module);
  await module.init();
  return module;
}

const Users = defineCollection('users', { schema: z.object({ name: z.string(), role: z.string().default('user') }) });

describe('forRoot', () => {
  it('gives one service by token and by class, in every module', async () => {
    @Injectable()
    class Links {
      constructor(
        @Inject(KV) readonly byToken: Kv,
        readonly byClass: Kv,
        readonly persist: PersistPg,
        @Inject(SWEEPER) readonly sweeper: Sweeper,
      ) {}
    }
    @Module({ providers: [Links] })
    class LinksModule {}
    const module = await boot(PersistPgModule.forRoot(options), LinksModule);
    const links = module.get(Links, { strict: false });
    expect(links.byToken).toBe(links.byClass);
    expect(links.persist.kv).toBe(links.byClass);
    expect(links.persist).toBe(module.get(PERSIST_PG));
    expect(links.sweeper).toBe(module.get(Sweeper));
    await links.byClass.set('a', 1);
    expect(await links.byToken.get('a')).toBe(1);
  });

  it('is seen only where it is imported, if it is not global', async () => {
    @Module({ providers: [{ provide: 'X', inject: [{ token: Kv, optional: true }], useFactory: (kv?: Kv) => ({ kv }) }] })
    class Elsewhere {}
    const module = await boot(PersistPgModule.forRoot({ ...options, isGlobal: false }), Elsewhere);
    expect(module.get<{ kv?: Kv }>('X', { strict: false }).kv).toBeUndefined();
  });

  it('refuses a second import of one name, and options that are wrong', async () => {
    await expect(boot(PersistPgModule.forRoot(options), PersistPgModule.forRoot({ ...options }))).rejects.toMatchObject({ code: 'CONFIG' });
    open.length = 0;
    await expect(boot(PersistPgModule.forRoot({ ...options, lanes: 1 }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      argument: 'lanes',
    });
    await expect(boot(PersistPgModule.forRoot({ ...options, shema: 'x' } as never))).rejects.toMatchObject({ argument: 'shema' });
  });

  it('takes the default DataSource of the app, a named one, or one that is handed over', async () => {
    const typeorm = { type: 'postgres', url: database.url } as const;
    const { url: _url, ...rest } = options;
    for (const order of ['before', 'after']) {
      const ours = PersistPgModule.forRoot(rest);
      const theirs = TypeOrmModule.forRoot(typeorm);
      const module = await (order === 'before' ? boot(ours, theirs) : boot(theirs, ours));
      const outcome = await module.get(PersistPg).transaction(async (tx) => {
        await tx.kv.set('joined', order);
        return tx.manager.query('select 1 as one');
      });
      expect(outcome).toEqual([{ one: 1 }]);
      expect(await module.get(Kv).get('joined')).toBe(order);
      await module.close();
      open.length = 0;
    }
    const named = await boot(
      TypeOrmModule.forRoot({ ...typeorm, name: 'second' }),
      PersistPgModule.forRoot({ ...rest, dataSource: 'second' }),
    );
    await named.get(Kv).transaction((kv) => kv.set('named', true));

    const dataSource = await new DataSource(typeorm).initialize();
    const handed = await boot(PersistPgModule.forRoot({ ...rest, name: 'handed', dataSource }));
    await handed.get<PersistPg>(getPersistPgToken(PersistPg, 'handed')).transaction(({ kv }) => kv.set('handed', true));
    await dataSource.destroy();
  });

  it('starts although the database is not there yet, and does not where it never will be', async () => {
    const module = await boot(PersistPgModule.forRoot({ url: 'postgres://127.0.0.1:1/none', timeout: 100 }));
    await expect(module.get(Kv).get('a')).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT' });
    await expect(boot(PersistPgModule.forRoot({ ...options, schema: { name: 'nowhere', autoCreate: false } }))).rejects.toMatchObject({
      code: 'CONFIG',
    });
    open.length = 1;
  });
});

describe('forRootAsync', () => {
  it('takes options from a factory, a class made for it, or a provider', async () => {
    class FromClass implements PersistPgOptionsFactory {
      createPersistPgOptions(): PersistPgModuleOptions {
        return options;
      }
    }
    @Module({ providers: [FromClass, { provide: 'SCHEMA', useValue: database.schema }], exports: [FromClass, 'SCHEMA'] })
    class Config {}
    const module = await boot(
      PersistPgModule.forRootAsync({
        imports: [Config],
        inject: ['SCHEMA'],
        useFactory: async (schema: string) => ({ ...options, schema }),
      }),
      PersistPgModule.forRootAsync({ name: 'made', useClass: FromClass }),
      PersistPgModule.forRootAsync({ name: 'there', imports: [Config], useExisting: FromClass }),
    );
    for (const name of [undefined, 'made', 'there']) {
      const kv = module.get<Kv>(getKvToken(name));
      await kv.set(`async ${name}`, 1);
      expect(await kv.has(`async ${name}`)).toBe(true);
    }
  });
});

describe('named instances and features', () => {
  it('inject by name, namespace and collection', async () => {
    @Injectable()
    class Both {
      constructor(
        readonly main: Kv,
        @InjectKv('audit') readonly audit: Kv,
        @InjectKv({ name: 'audit', namespace: 'logins' }) readonly logins: Kv<number>,
        @InjectPersistPg(Sweeper, 'audit') readonly sweeper: Sweeper,
        @InjectCollection(Users) readonly users: CollectionOf<typeof Users>,
      ) {}
    }
    const module = await bootWith({
      imports: [
        PersistPgModule.forRoot(options),
        PersistPgModule.forRoot({ ...options, name: 'audit', schema: `${database.schema}_audit` }),
        PersistPgModule.forFeature([Users]),
        PersistPgModule.forFeature([{ namespace: 'logins' }], 'audit'),
      ],
      providers: [Both],
    });
    const both = module.get(Both);
    await both.logins.incr('n');
    expect(await both.audit.ns('logins').get('n')).toBe(1);
    expect(await both.main.ns('logins').get('n')).toBeUndefined();
    await both.users.set('1', { name: 'Ada' });
    expect(await both.users.get('1')).toEqual({ name: 'Ada', role: 'user' });
    expect(await both.main.ns('users').get('1')).toEqual({ name: 'Ada' });
    expect(both.sweeper).toBe(module.get<PersistPg>(getPersistPgToken(PersistPg, 'audit')).sweeper);
    await database.query(`drop schema ${database.schema}_audit cascade`);
  });

  it('refuse two definitions of one collection that differ', async () => {
    const other = defineCollection('users', { ttl: '1h' });
    await expect(
      boot(PersistPgModule.forRoot(options), PersistPgModule.forFeature([Users]), PersistPgModule.forFeature([other])),
    ).rejects.toMatchObject({ code: 'CONFIG' });
    open.length = 0;
  });
});

describe('tests of an app', () => {
  it('replace everything by overriding PERSIST_PG alone, and open no socket', async () => {
    @Injectable()
    class Links {
      constructor(
        readonly kv: Kv,
        @InjectCollection(Users) readonly users: CollectionOf<typeof Users>,
      ) {}
    }
    @Module({
      imports: [PersistPgModule.forRoot({ url: 'postgres://127.0.0.1:1/none' }), PersistPgModule.forFeature([Users])],
      providers: [Links],
    })
    class AppModule {}
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
    const before = sockets();
    const memory = createMemoryPersistPg();
    const module = await Test.createTestingModule({ imports: [AppModule] })
      .overrideProvider(PERSIST_PG)
      .useValue(memory)
      .compile();
    open.push(module);
    await module.init();
    const links = module.get(Links);
    await links.kv.set('a', 1, '1h');
    memory.advance('2h');
    expect(await links.kv.get('a')).toBeUndefined();
    await links.users.set('1', { name: 'Ada' });
    expect(sockets()).toBe(before);
  });

  it('run in memory', async () => {
    const module = await boot(PersistPgTestingModule.forMemory(), PersistPgModule.forFeature([Users, { namespace: 'flags' }]));
    await module.get<Kv>(getKvToken({ namespace: 'flags' })).set('on', true);
    expect(await module.get(Kv).ns('flags').get('on')).toBe(true);
    expect(module.get(getCollectionToken(Users))).toBeDefined();
  });

  it('run on PostgreSQL in a schema of their own, which is gone at the end', async () => {
    const schemas = () => database.query<{ nspname: string }>(`select nspname from pg_namespace where nspname like 'persistpg\\_test\\_%'`);
    const before = await schemas();
    const [one, two] = await Promise.all([
      boot(PersistPgTestingModule.forRoot({ url: database.url })),
      boot(PersistPgTestingModule.forRoot({ url: database.url })),
    ]);
    await one.get(Kv).set('a', 1);
    expect(await two.get(Kv).get('a')).toBeUndefined();
    expect((await schemas()).length).toBe(before.length + 2);
    await one.close();
    await two.close();
    open.length = 0;
    await eventually(async () => (await schemas()).length === before.length);
  });
});

describe('the end', () => {
  it('closes every connection with the app, after what was called is done', async () => {
    const name = `end_${database.schema}`;
    const module = await boot(PersistPgModule.forRoot({ ...options, applicationName: name.slice(0, 60) }));
    const kv = module.get(Kv);
    const writes = Array.from({ length: 500 }, (_, i) => kv.set(`end${i}`, i));
    await module.close();
    open.length = 0;
    expect(await Promise.all(writes)).toHaveLength(500);
    await expect(kv.get('a')).rejects.toMatchObject({ code: 'CLOSED' });
    await eventually(
      async () => (await database.query(`select from pg_stat_activity where application_name = $1`, [name.slice(0, 60)])).length === 0,
    );
  });

  it('can be used without Nest, and disposed of', async () => {
    let closed: PersistPg;
    {
      await using persist = createPersistPg(options);
      closed = persist;
      await persist.kv.set('plain', 1);
      expect(await persist.kv.get('plain')).toBe(1);
    }
    await expect(closed.kv.get('plain')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
