import 'reflect-metadata'
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpCode,
  Inject,
  Module,
  NotFoundException,
  Param,
  Post,
  Put,
  Query,
  UnauthorizedException,
  UseFilters,
  UseGuards,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { Request, Response } from 'express'
import { Cached, FallbackCacheInterceptor, FallbackCacheModule } from 'fallback-cache/nestjs'

// npx tsx --tsconfig examples/nestjs/tsconfig.json examples/nestjs/main.ts, then:
//   curl -i localhost:3003/products/1 -H 'X-API-Key: secret'
// With REDIS_URL=redis://localhost the answers live in Redis too, and go on when it dies.

class ApiKeyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<Request>()
    if (headers['x-api-key'] !== 'secret' && headers['x-api-key'] !== 'other') throw new UnauthorizedException()
    return true
  }
}

@Catch(NotFoundException)
class NotFoundFilter implements ExceptionFilter {
  catch(error: NotFoundException, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().status(404).json({ missing: error.message })
  }
}

class Products {
  runs = 0
  readonly #prices = new Map([['1', 100]])

  show(id: string): { readonly id: string; readonly price: number; readonly run: number } {
    this.runs += 1
    const price = this.#prices.get(id)
    if (price === undefined) throw new NotFoundException(id)
    return { id, price, run: this.runs }
  }

  update(id: string, price: number): void {
    this.#prices.set(id, price)
  }
}

@Controller('products')
@UseGuards(ApiKeyGuard)
@UseFilters(NotFoundFilter)
class ProductsController {
  readonly #products: Products
  readonly #cache: FallbackCacheInterceptor

  constructor(@Inject(Products) products: Products, @Inject(FallbackCacheInterceptor) cache: FallbackCacheInterceptor) {
    this.#products = products
    this.#cache = cache
  }

  /** For all that the guard lets pass. */
  @Get(':id')
  @Cached({ ttl: '5m', user: () => 'members' })
  show(@Param('id') id: string) {
    return this.#products.show(id)
  }

  /** Not cached: the guard's requests carry a credential, and nothing says for whom the answer is. */
  @Get(':id/mine')
  @Cached({ ttl: '5m' })
  mine(@Param('id') id: string) {
    return this.#products.show(id)
  }

  /** Not cached: it does not say so. */
  @Get(':id/live')
  live(@Param('id') id: string) {
    return this.#products.show(id)
  }

  /** What is stored for its path, and below it, is out of use when this has succeeded. */
  @Put(':id')
  @HttpCode(204)
  update(@Param('id') id: string, @Query('price') price: string): void {
    if (!(Number(price) > 0)) throw new NotFoundException(`no price ${price}`)
    this.#products.update(id, Number(price))
  }

  /** For writes that come from elsewhere: everything below /products is out of use. */
  @Post('imported')
  @HttpCode(200)
  imported() {
    return this.#cache.invalidate('/products')
  }
}

@Module({
  imports: [FallbackCacheModule.forRoot({ redis: process.env.REDIS_URL })],
  controllers: [ProductsController],
  providers: [Products],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] })
app.enableShutdownHooks()
const server = await app.listen(Number(process.env.PORT ?? 3003))
console.log('listening', server.address())
