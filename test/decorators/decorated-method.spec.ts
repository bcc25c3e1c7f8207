import {
  Body,
  CanActivate,
  Controller,
  Get,
  HttpCode,
  Inject,
  Injectable,
  Module,
  Optional,
  Param,
  Post,
  Scope,
  SetMetadata,
  UseGuards,
  type ExecutionContext,
  type ModuleMetadata,
} from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { afterEach, describe, expect, it } from 'vitest';
import { PERSIST_PG, PersistPg, PersistPgModule } from '../../lib';
import { decorateMethod, type MethodCall, type MethodDecoration } from '../../lib/decorators/decorated-method';
import { createMemoryPersistPg, PersistPgTestingModule } from '../../lib/testing';
import { getPersistPgToken } from '../../lib/persist-pg.tokens';

/** Every call that came by, and the instance that was handed to it. */
const seen: { persist: PersistPg; call: MethodCall; as: string }[] = [];
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  seen.length = 0;
  for (const module of open.splice(0)) await module.close();
});

function Seen(as = 'seen', decoration: Partial<MethodDecoration> = {}) {
  return decorateMethod({
    decorator: '@Seen()',
    instance: undefined,
    around: (persist, call) => {
      seen.push({ persist, call, as });
      return call.run();
    },
    ...decoration,
  });
}

async function boot(metadata: ModuleMetadata) {
  const module = await Test.createTestingModule(metadata).compile();
  open.push(module);
  return module.init();
}

@Injectable()
class Greeter {
  constructor(@Optional() @Inject('GREETING') readonly greeting = 'Hello') {}

  @Seen() async greet(name: string, mark = '!'): Promise<string> {
    return `${this.greeting} ${name}${mark}`;
  }
}

class LoudGreeter extends Greeter {
  @Seen('loud') async shout(name: string): Promise<string> {
    return (await this.greet(name)).toUpperCase();
  }
}

class OtherGreeter extends Greeter {
  override async greet(name: string): Promise<string> {
    return `${await super.greet(name)} And others.`;
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestGreeter extends Greeter {}

@Injectable({ scope: Scope.TRANSIENT })
class TransientGreeter extends Greeter {}

@Injectable()
class Guard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  @Seen('guard') async canActivate(context: ExecutionContext): Promise<boolean> {
    context.switchToHttp().getResponse().set('x-role', this.reflector.get<string>('role', context.getHandler()));
    return true;
  }
}

@Controller('greetings')
class GreetingsController {
  @Get(':name') @Seen('above') @UseGuards(Guard) @SetMetadata('role', 'reader') async above(@Param('name') name: string) {
    return { above: name };
  }

  @Seen('below') @Post(':name') @HttpCode(202) @UseGuards(Guard) @SetMetadata('role', 'writer') async below(
    @Param('name') name: string,
    @Body() body: { mark: string },
  ) {
    return { below: name, mark: body.mark };
  }
}

@Controller({ path: 'requests', scope: Scope.REQUEST })
class RequestController {
  constructor(private readonly greeter: RequestGreeter) {}

  @Get() @Seen() async greet() {
    return { said: await this.greeter.greet('request') };
  }
}

describe.each(['before', 'after'])('a class whose module is imported %s PersistPgModule', (order) => {
  async function bootBeside(metadata: ModuleMetadata) {
    @Module(metadata)
    class Feature {}
    const ours = PersistPgTestingModule.forMemory();
    const module = await boot({ imports: order === 'before' ? [Feature, ours] : [ours, Feature] });
    return { module, persist: module.get(PersistPg) };
  }

  it('gets its instance: as a class, a subclass, from a factory, as a value', async () => {
    const { module, persist } = await bootBeside({
      providers: [
        Greeter,
        LoudGreeter,
        { provide: 'class', useClass: OtherGreeter },
        { provide: 'factory', useFactory: async () => new LoudGreeter('Good day') },
        { provide: 'transient factory', scope: Scope.TRANSIENT, useFactory: () => new Greeter('Again') },
        { provide: 'value', useValue: new Greeter('Hi') },
        { provide: 'alias', useExisting: 'factory' },
        { provide: 'holder', inject: ['transient factory'], useFactory: (held: Greeter) => ({ held }) },
        { provide: 'nothing', useValue: undefined },
        { provide: 'without a prototype', useValue: Object.create(null) },
        { provide: 'frozen', useValue: Object.freeze(new Greeter()) },
      ],
    });
    const get = <T>(token: unknown) => module.get<T>(token as string, { strict: false });
    expect(await get<Greeter>(Greeter).greet('Anna')).toBe('Hello Anna!');
    expect(await get<LoudGreeter>(LoudGreeter).shout('Anna')).toBe('HELLO ANNA!');
    expect(await get<Greeter>('class').greet('Anna')).toBe('Hello Anna! And others.');
    expect(await get<LoudGreeter>('factory').shout('Anna')).toBe('GOOD DAY ANNA!');
    expect(await get<{ held: Greeter }>('holder').held.greet('Anna')).toBe('Again Anna!');
    expect(await get<Greeter>('value').greet('Anna', '?')).toBe('Hi Anna?');
    expect(await get<LoudGreeter>('alias').greet('Anna')).toBe('Good day Anna!');
    expect(seen.map(({ as, call }) => [as, call.className, call.method, ...call.args])).toEqual([
      ['seen', 'Greeter', 'greet', 'Anna'],
      ['loud', 'LoudGreeter', 'shout', 'Anna'],
      ['seen', 'LoudGreeter', 'greet', 'Anna'],
      ['seen', 'OtherGreeter', 'greet', 'Anna'],
      ['loud', 'LoudGreeter', 'shout', 'Anna'],
      ['seen', 'LoudGreeter', 'greet', 'Anna'],
      ['seen', 'Greeter', 'greet', 'Anna'],
      ['seen', 'Greeter', 'greet', 'Anna', '?'],
      ['seen', 'LoudGreeter', 'greet', 'Anna'],
    ]);
    expect(new Set(seen.map((each) => each.persist))).toEqual(new Set([persist]));
  });

  it('gets it in request and transient scope, and when ModuleRef makes it', async () => {
    const { module, persist } = await bootBeside({
      providers: [
        RequestGreeter,
        TransientGreeter,
        { provide: 'request factory', scope: Scope.REQUEST, useFactory: () => new Greeter() },
        { provide: 'above a request', inject: [RequestGreeter], useFactory: async () => new LoudGreeter() },
        { provide: 'transient factory', scope: Scope.TRANSIENT, useFactory: () => new Greeter() },
      ],
    });
    for (const greeter of [
      await module.resolve<Greeter>('request factory', undefined, { strict: false }),
      await module.resolve<Greeter>('above a request', undefined, { strict: false }),
      await module.resolve<Greeter>('transient factory', undefined, { strict: false }),
      await module.resolve(RequestGreeter, undefined, { strict: false }),
      await module.resolve(TransientGreeter, undefined, { strict: false }),
      await module.get(ModuleRef).create(Greeter),
    ]) {
      await greeter.greet('Anna');
      expect(seen.pop()?.persist).toBe(persist);
    }
  });

  it('answers HTTP with everything that other decorators said, above or below', async () => {
    const { module } = await bootBeside({
      controllers: [GreetingsController, RequestController],
      providers: [RequestGreeter],
    });
    const app = module.createNestApplication();
    open.push(app);
    await app.init();
    const http = request(app.getHttpServer());
    await http.get('/greetings/anna').expect(200, { above: 'anna' }).expect('x-role', 'reader');
    await http.post('/greetings/anna').send({ mark: '?' }).expect(202, { below: 'anna', mark: '?' }).expect('x-role', 'writer');
    await http.get('/requests').expect(200, { said: 'Hello request!' });
    expect(seen.map(({ as }) => as)).toEqual(['guard', 'above', 'guard', 'below', 'seen', 'seen']);
  });
});

describe('instances', () => {
  class Two {
    @Seen('main') async main() {}
    @Seen('audit', { instance: 'audit' }) async audit() {}
    @Seen('outer') @Seen('inner', { instance: 'audit' }) async both() {}
  }

  it('are told by name, also for several decorators on one method and for an object that Nest did not make', async () => {
    const module = await boot({
      imports: [PersistPgTestingModule.forMemory(), PersistPgTestingModule.forMemory({ name: 'audit' })],
      providers: [Two, { provide: 'made', useFactory: () => new Two() }],
    });
    const [main, audit] = [module.get(PersistPg), module.get<PersistPg>(getPersistPgToken(PersistPg, 'audit'))];
    for (const two of [module.get(Two), module.get<Two>('made')]) {
      await two.main();
      await two.audit();
      await two.both();
      expect(seen.splice(0).map(({ as, persist }) => [as, persist === main, persist === audit])).toEqual([
        ['main', true, false],
        ['audit', false, true],
        ['outer', true, false],
        ['inner', false, true],
      ]);
    }
  });

  it('belong to their app, of two in one process', async () => {
    const apps = await Promise.all([1, 2].map(() => boot({ imports: [PersistPgTestingModule.forMemory()], providers: [Two] })));
    for (const app of apps) {
      await app.get(Two).main();
      expect(seen.pop()?.persist).toBe(app.get(PersistPg));
    }
    const shared = new Two();
    for (let i = 0; i < 2; i++) {
      const app = await boot({ imports: [PersistPgTestingModule.forMemory()], providers: [{ provide: 'two', useValue: shared }] });
      await shared.main();
      expect(seen.pop()?.persist).toBe(app.get(PersistPg));
    }
  });

  it('are what a test puts in their place', async () => {
    const memory = createMemoryPersistPg();
    const module = await Test.createTestingModule({
      imports: [PersistPgModule.forRoot({ url: 'postgres://127.0.0.1:1/none' })],
      providers: [Two],
    })
      .overrideProvider(PERSIST_PG)
      .useValue(memory)
      .compile();
    open.push(await module.init());
    await module.get(Two).main();
    expect(seen.pop()?.persist).toBe(memory);
  });

  it('reach every module although theirs is not global', async () => {
    @Module({ providers: [Two], exports: [Two] })
    class Feature {}
    const module = await boot({ imports: [PersistPgTestingModule.forMemory({ isGlobal: false }), Feature] });
    await module.get(Two).main();
    expect(seen.pop()?.persist).toBe(module.get(PersistPg));
  });
});

describe('a method', () => {
  class Plain {
    async greet(name: string, _mark: string): Promise<string> {
      return name;
    }
  }

  it('keeps its name, its length and its metadata', () => {
    const original = Plain.prototype.greet;
    Reflect.defineMetadata('kept', 'yes', original);
    const descriptor = Object.getOwnPropertyDescriptor(Plain.prototype, 'greet')!;
    Seen()(Plain.prototype, 'greet', descriptor);
    expect(descriptor.value).not.toBe(original);
    expect(descriptor.value.name).toBe('greet');
    expect(descriptor.value.length).toBe(2);
    expect(Reflect.getMetadata('kept', descriptor.value)).toBe('yes');
    expect({ ...descriptor, value: 0 }).toEqual({ value: 0, configurable: true, enumerable: false, writable: true });
  });

  it('rejects with what it throws, also before it awaits anything', async () => {
    class Failing {
      @Seen() async late() {
        throw new Error('late');
      }
      @Seen() early(): Promise<void> {
        throw new Error('early');
      }
    }
    const module = await boot({ imports: [PersistPgTestingModule.forMemory()], providers: [Failing] });
    await expect(module.get(Failing).late()).rejects.toThrow('late');
    await expect(module.get(Failing).early()).rejects.toThrow('early');
  });

  it('may have a symbol for a name', async () => {
    const method = Symbol('greet');
    class Named {
      @Seen() async [method]() {
        return 1;
      }
    }
    const module = await boot({ imports: [PersistPgTestingModule.forMemory()], providers: [Named] });
    expect(await module.get(Named)[method]()).toBe(1);
    expect(seen.pop()?.call.method).toBe('Symbol(greet)');
  });

  it('says what is missing when nobody gave its object an instance', async () => {
    const module = await boot({ providers: [Greeter] });
    for (const greeter of [module.get(Greeter), new Greeter()]) {
      const error = await greeter.greet('Anna').catch((e: Error) => e);
      expect(error).toMatchObject({ code: 'CONFIG' });
      expect((error as Error).message).toBe(
        "Greeter.greet() is under @Seen(), but its object has no PersistPg of the name 'default': import PersistPgModule.forRoot() in the app; " +
          'what Nest does not make from a class gets it when the app is initialized; ' +
          'in a unit test call bindPersistPg(object, persist) of nestjs-persistpg/testing',
      );
    }
    class Audit {
      @Seen('audit', { instance: 'audit' }) async write() {}
    }
    const other = await boot({ imports: [PersistPgTestingModule.forMemory()], providers: [Audit] });
    await expect(other.get(Audit).write()).rejects.toThrow("import PersistPgModule.forRoot({ name: 'audit' })");
    const { greet } = module.get(Greeter);
    await expect(greet('Anna')).rejects.toThrow('Greeter.greet() is under @Seen() and was called without its object');
    expect(seen).toEqual([]);
  });
});
