import { ClassSerializerInterceptor, Controller, Get, Injectable, Param, Post, UseInterceptors, type ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Exclude, plainToInstance, Type } from 'class-transformer';
import request from 'supertest';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Cached, PersistPg, PersistPgModule, WithLock, type CachedOptions } from '../../lib';
import { bindPersistPg, createMemoryPersistPg, PersistPgTestingModule } from '../../lib/testing';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
// A machine that is busy must not make misses of hits.
const settings: PersistPgModuleOptions = {
  url: database.url,
  schema: database.schema,
  cache: { timeout: '10s' },
  sweeper: { autoStart: false },
};

async function boot(metadata: ModuleMetadata) {
  const module = await Test.createTestingModule(metadata).compile();
  module.useLogger(false);
  await module.init();
  onTestFinished(() => module.close());
  return module;
}

class Price {
  constructor(
    readonly amount: number,
    readonly at: Date,
  ) {}
}

class Shop {
  runs: unknown[][] = [];

  private run<T>(value: T, ...args: unknown[]): T {
    this.runs.push(args);
    return value;
  }

  @Cached() async all(): Promise<string[]> {
    return this.run(['bread', 'milk'], 'all');
  }

  @Cached() async find(filter: { name?: string; limit?: number }, page = 1): Promise<object> {
    return this.run({ filter, page }, filter, page);
  }

  @Cached({ key: 'best', ttl: '1h' }) async best(): Promise<{ name: string; added: Date }> {
    return this.run({ name: 'bread', added: new Date(0) }, 'best');
  }

  @Cached({ key: (id: string) => `price:${id}`, revive: ({ amount, at }: Price) => new Price(amount, new Date(at)) })
  async price(id: string): Promise<Price> {
    return this.run(new Price(id.length, new Date(5)), id);
  }

  @Cached({ key: (id: string) => `tagged:${id}`, tags: (id: string) => ['tagged', `tagged:${id}`] })
  async tagged(id: string): Promise<number> {
    return this.run(this.runs.length, id);
  }

  @Cached({ key: 'mine', varyBy: (user: string) => [user] }) async mine(user: string): Promise<string> {
    return this.run(`of ${user}`, user);
  }

  @Cached({ key: 'null' }) async nothing(): Promise<null> {
    return this.run(null);
  }

  @Cached({ key: 'structured', serializer: 'structured' }) async structured(): Promise<Map<string, Date>> {
    return this.run(new Map([['a', new Date(5)]]));
  }

  @Cached({ key: 'fails' }) async fails(): Promise<number> {
    this.run(0);
    throw new Error('out of bread');
  }

  @WithLock('counted', { onBusy: 'throw' }) @Cached({ key: 'counted' }) async counted(): Promise<number> {
    return this.run(1);
  }
}

describe.each(['memory', 'postgres'])('in %s', (place) => {
  const persist = place === 'memory' ? createMemoryPersistPg() : openPersistPg(settings);
  const shop = async () => {
    await persist.cache.clear();
    return bindPersistPg(new Shop(), persist);
  };

  it('runs the method once, and hands out the same shape the first time', async () => {
    const one = await shop();
    const first = await one.best();
    expect(first).toEqual({ name: 'bread', added: new Date(0).toISOString() });
    expect(await one.best()).toEqual(first);
    expect(await bindPersistPg(new Shop(), persist).best()).toEqual(first);
    expect(one.runs).toEqual([['best']]);
    expect(await persist.cache.get('best')).toEqual(first);
  });

  it('runs it once for callers at the same time', async () => {
    const one = await shop();
    const answers = await Promise.all(Array.from({ length: 50 }, () => one.all()));
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(new Set(['["bread","milk"]']));
    expect(one.runs).toHaveLength(1);
  });

  it('revives on a hit and on a miss alike, a new instance for each caller', async () => {
    const one = await shop();
    const [miss, hit] = [await one.price('abc'), await one.price('abc')];
    for (const price of [miss, hit]) {
      expect(price).toBeInstanceOf(Price);
      expect(price).toEqual(new Price(3, new Date(5)));
    }
    expect(hit).not.toBe(miss);
    expect(one.runs).toHaveLength(1);
  });

  it('goes by class, method and arguments if no key is given', async () => {
    const one = await shop();
    await one.all();
    await one.find({});
    await one.find({}, undefined);
    await one.find({ name: 'bread', limit: 1 });
    await one.find({ limit: 1, name: 'bread' });
    await one.find({ name: 'bread' });
    await one.find({ name: 'bread' }, 2);
    await one.find({ name: undefined } as object);
    expect(one.runs).toEqual([['all'], [{}, 1], [{ name: 'bread', limit: 1 }, 1], [{ name: 'bread' }, 1], [{ name: 'bread' }, 2]]);
    expect(await persist.cache.get('Shop.all')).toEqual(['bread', 'milk']);
    class OtherShop extends Shop {}
    const other = bindPersistPg(new OtherShop(), persist);
    await other.all();
    expect(other.runs).toHaveLength(1);
  });

  it('rejects arguments that cannot be told by their hash, and runs nothing', async () => {
    const one = await shop();
    const self: { self?: unknown } = {};
    self.self = self;
    for (const [argument, problem] of [
      [() => 1, 'argument 1 is a function'],
      [{ name: Symbol('bread') }, 'argument 1.name is a symbol'],
      [self, 'argument 1.self leads back to itself'],
      [{ toJSON: () => self }, 'leads back to itself'],
      [Promise.resolve({}), 'argument 1 is a Promise without properties of its own'],
    ] as const) {
      await expect(one.find(argument as never)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        argument: 'key',
        message: expect.stringMatching(
          new RegExp(`^key of Shop\\.find\\(\\) cannot be made of its arguments: .*${problem}.*; give @Cached\\(\\) a key$`),
        ),
      });
    }
    expect(one.runs).toEqual([]);
  });

  it('tags what it keeps, and varies the key', async () => {
    const one = await shop();
    expect([await one.tagged('1'), await one.tagged('2')]).toEqual([0, 1]);
    expect(await persist.cache.deleteByTag('tagged:1')).toBe(1);
    expect([await one.tagged('1'), await one.tagged('2')]).toEqual([2, 1]);
    expect([await one.mine('anna'), await one.mine('janis'), await one.mine('anna')]).toEqual(['of anna', 'of janis', 'of anna']);
    expect(one.runs).toHaveLength(5);
  });

  it('keeps null, and what the serializer keeps', async () => {
    const one = await shop();
    expect([await one.nothing(), await one.nothing()]).toEqual([null, null]);
    for (const each of [await one.structured(), await one.structured()]) expect(each).toEqual(new Map([['a', new Date(5)]]));
    expect(one.runs).toHaveLength(2);
  });

  it('rejects with what the method throws, and keeps nothing', async () => {
    const one = await shop();
    await expect(one.fails()).rejects.toThrow('out of bread');
    expect(await persist.cache.get('fails')).toBeUndefined();
  });

  it('can stand with @WithLock() on one method', async () => {
    const one = await shop();
    expect([await one.counted(), await one.counted()]).toEqual([1, 1]);
    const lock = await persist.locks.acquire('counted');
    await expect(one.counted()).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await lock.release();
    expect(one.runs).toHaveLength(1);
  });

  it('a function that gives no key, tags or parts rejects, and names the argument and the method', async () => {
    let runs = 0;
    class Odd {
      @Cached({ key: (how: () => string) => how() }) async key(_how: () => unknown): Promise<void> {
        runs++;
      }
      @Cached({ key: 'k', tags: (how: () => string[]) => how() }) async tags(_how: () => unknown): Promise<void> {
        runs++;
      }
      @Cached({ key: 'k', varyBy: (how: () => string[]) => how() }) async parts(_how: () => unknown): Promise<void> {
        runs++;
      }
    }
    const odd = bindPersistPg(new Odd(), persist);
    const boom = () => {
      throw new Error('boom');
    };
    const cases: [Promise<void>, string, unknown][] = [
      [odd.key(boom), 'key', 'key function of Odd.key() threw: boom'],
      [odd.key(() => ''), 'key', 'key of Odd.key() is empty'],
      [odd.key(() => undefined), 'key', 'key of Odd.key() must be a text, not undefined'],
      [odd.tags(boom), 'tags', 'tags function of Odd.tags() threw: boom'],
      [odd.tags(() => 'tag'), 'tags', 'tags of Odd.tags() must be a list of texts, not of type string'],
      [odd.tags(() => [1]), 'tags', 'tags of Odd.tags() must be a text, not of type number'],
      [odd.parts(boom), 'varyBy', 'varyBy function of Odd.parts() threw: boom'],
      [odd.parts(async () => boom()), 'varyBy', expect.stringContaining('must be a list')],
    ];
    for (const [call, argument, message] of cases) {
      await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument, message });
    }
    expect(runs).toBe(0);
  });
});

describe('wrong options are told where the method is written', () => {
  it.each<[unknown, string]>([
    [{ key: '' }, 'key'],
    [{ key: 42 }, 'key'],
    [{ tags: 'things' }, 'tags'],
    [{ tags: [''] }, 'tags[0]'],
    [{ varyBy: ['user'] }, 'varyBy'],
    [{ revive: 'Product' }, 'revive'],
    [{ ttl: '10 minutes' }, 'ttl'],
    [{ ttl: 0 }, 'ttl'],
    [{ jitter: 2 }, 'jitter'],
    [{ serializer: 'yaml' }, 'serializer'],
    [{ forceFresh: true }, 'forceFresh'],
    [{ instance: '' }, 'instance'],
    [{ timeout: 5 }, 'timeout'],
    ['10m', 'options'],
  ])('%j', (options, argument) => {
    expect(() => Cached(options as CachedOptions<any>)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }));
  });
});

@Entity('cached_user')
class User {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  @Exclude() @Column('text') password!: string;
  @Type(() => Date) @Column('timestamptz') born!: Date;
}

it('an entity answers HTTP with the same bytes on a miss and on a hit, revived or as data', async () => {
  @Injectable()
  class Users {
    reads = 0;
    constructor(private readonly dataSource: DataSource) {}

    @Cached({ key: (id: string) => `user:${id}`, revive: (kept) => plainToInstance(User, kept) })
    async revived(id: string): Promise<User> {
      this.reads++;
      return this.dataSource.getRepository(User).findOneByOrFail({ id });
    }

    @Cached() async asData(id: string): Promise<User> {
      this.reads++;
      return this.dataSource.getRepository(User).findOneByOrFail({ id });
    }
  }
  @Controller('users')
  @UseInterceptors(ClassSerializerInterceptor)
  class UsersController {
    constructor(private readonly users: Users) {}

    @Get(':id') revived(@Param('id') id: string) {
      return this.users.revived(id);
    }
    @Get(':id/data') asData(@Param('id') id: string) {
      return this.users.asData(id);
    }
    @Post(':id') async spoiled(@Param('id') id: string) {
      const user = await this.users.revived(id);
      user.name = 'spoiled';
      return user;
    }
  }
  const url = new URL(database.url);
  url.searchParams.set('options', `-c search_path=${database.schema}_app`);
  await database.query(`create schema ${database.schema}_app`);
  onTestFinished(() => void database.query(`drop schema ${database.schema}_app cascade`));
  const module = await boot({
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', url: url.href, entities: [User], synchronize: true }),
      PersistPgModule.forRoot(settings),
    ],
    providers: [Users],
    controllers: [UsersController],
  });
  const user = { id: '1', name: 'Anna', born: new Date('1990-01-01T00:00:00Z') };
  await module
    .get(DataSource)
    .getRepository(User)
    .save({ ...user, password: 'hash' });
  const app = module.createNestApplication({ logger: false });
  await app.init();
  onTestFinished(() => app.close());
  const http = request(app.getHttpServer());
  const body = async (path: string) => (await http.get(path).expect(200)).text;

  const uncached = JSON.stringify({ ...user });
  expect(await body('/users/1')).toBe(uncached);
  await http.post('/users/1').expect(201);
  expect(await body('/users/1')).toBe(uncached);
  const miss = await body('/users/1/data');
  expect(JSON.parse(miss)).toEqual({ ...JSON.parse(uncached), password: 'hash' });
  expect(await body('/users/1/data')).toBe(miss);
  expect(module.get(Users).reads).toBe(2);
});

it('two classes of one name need keys of their own', async () => {
  const make = (options?: CachedOptions<[]>) => {
    class Things {
      @Cached(options) async all() {
        return [];
      }
    }
    return Things;
  };
  const imports = [PersistPgTestingModule.forMemory()];
  await expect(boot({ imports, providers: [make(), make()] })).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringContaining('two classes with a method Things.all() under @Cached() without a key'),
  });
  await boot({ imports: [PersistPgTestingModule.forMemory()], providers: [make(), make({ key: 'other things' })] });
});

it('named instances keep their entries apart', async () => {
  class Two {
    runs = 0;
    @Cached({ key: 'same' }) async main() {
      return ++this.runs;
    }
    @Cached({ key: 'same', instance: 'audit' }) async audit() {
      return ++this.runs;
    }
  }
  const module = await boot({
    imports: [PersistPgTestingModule.forMemory(), PersistPgTestingModule.forMemory({ name: 'audit' })],
    providers: [Two],
  });
  const two = module.get(Two);
  expect([await two.main(), await two.audit(), await two.main(), await two.audit()]).toEqual([1, 2, 1, 2]);
  expect(await module.get(PersistPg).cache.get('same')).toBe(1);
});
