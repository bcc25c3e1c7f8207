import { Controller, Get, Injectable, Scope, SetMetadata, type ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decorateMethod, type MethodDecoration } from '../../lib/decorators/decorated-method';
import { PersistPgTestingModule } from '../../lib/testing';

function Seen(decoration: Partial<MethodDecoration> = {}) {
  return decorateMethod({ decorator: '@Seen()', instance: undefined, around: (_persist, call) => call.run(), ...decoration });
}

async function boot(metadata: ModuleMetadata) {
  const module = await Test.createTestingModule(metadata).compile();
  await module.init();
  onTestFinished(() => module.close());
}

describe('what cannot be decorated is refused where it is written', () => {
  const refused = (define: () => unknown, message: string) => {
    expect(define).toThrow(expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining(message) }));
  };
  const anything = Seen() as any;

  it('properties, getters, setters and static methods', () => {
    refused(() => {
      class Wrong {
        @anything field = async () => {};
      }
      return Wrong;
    }, '@Seen() on Wrong.field: it is for methods, not for properties, getters or setters');
    refused(() => {
      class Wrong {
        @anything get got() {
          return 1;
        }
      }
      return Wrong;
    }, 'Wrong.got');
    refused(() => {
      class Wrong {
        @anything static async made() {}
      }
      return Wrong;
    }, '@Seen() on Wrong.made: a static method has no object');
    refused(() => {
      @anything
      class Wrong {}
      return Wrong;
    }, '@Seen()');
  });

  it('methods that return no promise, as far as the compiler has told', () => {
    refused(() => {
      class Wrong {
        @anything count(): number {
          return 1;
        }
      }
      return Wrong;
    }, '@Seen() on Wrong.count: it is for methods that return a promise, and this one returns Number: make it async');
    refused(() => {
      class Wrong {
        @anything async *walk() {}
      }
      return Wrong;
    }, 'not for generators');
    class Fine {
      @anything untold() {
        return Promise.resolve(1);
      }
      @anything unknown(): any {
        return 1;
      }
      @anything thenable(): PromiseLike<number> {
        return Promise.resolve(1);
      }
    }
    expect(Object.getOwnPropertyNames(Fine.prototype)).toContain('untold');
  });
});

describe('at start', () => {
  const Skipping = () => Seen({ skips: true });
  const refused = async (metadata: ModuleMetadata, message: string) => {
    await expect(boot({ imports: [PersistPgTestingModule.forMemory()], ...metadata })).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining(message),
    });
  };

  it.each(['above', 'below', 'inherited', 'of a request', 'message'])(
    'a skipping method that answers requests is refused: %s',
    async (kind) => {
      const message = SetMetadata('microservices:handler_type', 1);
      @Controller()
      class Above {
        @Get() @Skipping() async find() {}
      }
      @Controller()
      class Below {
        @Skipping() @Get() async find() {}
      }
      @Controller('more')
      class Inherited extends Above {}
      @Controller({ scope: Scope.REQUEST })
      class OfARequest {
        @Get() @Skipping() async find() {}
      }
      @Controller()
      class Message {
        @message @Skipping() async find() {}
      }
      const controller = { above: Above, below: Below, inherited: Inherited, 'of a request': OfARequest, message: Message }[kind]!;
      await refused(
        { controllers: [controller] },
        `${controller.name}.find() answers requests and is under @Seen(), which would skip it while the lock is held`,
      );
    },
  );

  it('one that answers nobody may skip', async () => {
    const event = SetMetadata('microservices:handler_type', 2);
    @Controller()
    class Base {
      @Get() @Skipping() async find() {}
    }
    @Controller()
    class Fine extends Base {
      @Get() override async find() {}
      @Seen() @Get('other') async other() {}
      @event @Skipping() async happened() {}
    }
    @Injectable()
    class Job {
      @Skipping() async run() {}
    }
    await boot({ imports: [PersistPgTestingModule.forMemory()], controllers: [Fine], providers: [Job] });
  });

  it('two classes that would be taken for each other are refused', async () => {
    const Named = () => Seen({ goesByName: true });
    const make = () => {
      class Same {
        @Named() async find() {}
      }
      return Same;
    };
    const [One, Two] = [make(), make()];
    await refused({ providers: [One, Two] }, 'two classes with a method Same.find() under @Seen() without a key');
    class Sub extends One {}
    await boot({ imports: [PersistPgTestingModule.forMemory()], providers: [One, Sub, { provide: 'again', useClass: One }] });
  });
});
