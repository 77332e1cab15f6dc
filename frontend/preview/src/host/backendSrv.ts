import { AppEvents } from '@grafana/data';
import { BackendSrv, BackendSrvRequest, FetchError, FetchResponse, getAppEvents, isFetchError } from '@grafana/runtime';
import { lastValueFrom, Observable } from 'rxjs';

/**
 * Grafana's HTTP client. Failures are `FetchError`s; a request with the `requestId` of one that still runs cancels it;
 * unsubscribing cancels too, so that a panel that nobody waits for stops its query.
 */
export class PreviewBackendSrv implements BackendSrv {
  private running = new Map<string, AbortController>();

  fetch<T>(request: BackendSrvRequest): Observable<FetchResponse<T>> {
    return new Observable((subscriber) => {
      const abort = new AbortController();
      const { requestId } = request;
      if (requestId) {
        this.running.get(requestId)?.abort();
        this.running.set(requestId, abort);
      }
      request.abortSignal?.addEventListener('abort', () => abort.abort());
      send<T>(request, abort.signal)
        .then((response) => {
          subscriber.next(response);
          subscriber.complete();
        })
        .catch((error) => {
          this.tell(request, error);
          subscriber.error(error);
        })
        .finally(() => {
          if (requestId && this.running.get(requestId) === abort) {
            this.running.delete(requestId);
          }
        });
      return () => abort.abort();
    });
  }

  async request<T>(request: BackendSrvRequest): Promise<T> {
    return (await lastValueFrom(this.fetch<T>(request))).data;
  }

  datasourceRequest<T>(request: BackendSrvRequest) {
    return lastValueFrom(this.fetch<T>(request));
  }

  get<T>(url: string, params?: BackendSrvRequest['params'], requestId?: string, options?: Partial<BackendSrvRequest>) {
    return this.request<T>({ ...options, method: 'GET', url, params, requestId });
  }

  delete<T>(url: string, data?: unknown, options?: Partial<BackendSrvRequest>) {
    return this.request<T>({ ...options, method: 'DELETE', url, data });
  }

  post<T>(url: string, data?: unknown, options?: Partial<BackendSrvRequest>) {
    return this.request<T>({ ...options, method: 'POST', url, data });
  }

  patch<T>(url: string, data?: unknown, options?: Partial<BackendSrvRequest>) {
    return this.request<T>({ ...options, method: 'PATCH', url, data });
  }

  put<T>(url: string, data?: unknown, options?: Partial<BackendSrvRequest>) {
    return this.request<T>({ ...options, method: 'PUT', url, data });
  }

  chunked(): Observable<FetchResponse<Uint8Array | undefined>> {
    throw new Error('chunked responses are not in the preview');
  }

  private tell(request: BackendSrvRequest, error: unknown) {
    const quiet = request.showErrorAlert === false || request.url.includes('/api/ds/query');
    if (!quiet && isFetchError(error) && !error.cancelled) {
      getAppEvents().publish({ type: AppEvents.alertError.name, payload: [error.data?.message ?? error.statusText] });
    }
  }
}

async function send<T>(request: BackendSrvRequest, signal: AbortSignal): Promise<FetchResponse<T>> {
  const fail = (error: Omit<FetchError, 'config'>): FetchError => ({ ...error, config: request });
  const url = new URL(request.url, location.origin);
  for (const [name, value] of Object.entries(request.params ?? {})) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) {
        url.searchParams.append(name, String(item));
      }
    }
  }
  let response: Response;
  try {
    response = await fetch(url, {
      method: request.method ?? 'GET',
      headers: { accept: 'application/json', 'content-type': 'application/json', ...request.headers },
      body: request.data === undefined ? undefined : JSON.stringify(request.data),
      signal,
    });
  } catch (error) {
    if (signal.aborted) {
      throw fail({ status: -1, statusText: 'Request was aborted', data: null, cancelled: true });
    }
    const message = 'The preview server does not answer.';
    throw fail({ status: 0, statusText: message, data: { message, error: String(error) }, message });
  }
  const data = await parse(response, request.responseType);
  if (!response.ok) {
    const message = data?.message ?? response.statusText;
    throw fail({ status: response.status, statusText: response.statusText, data: data ?? { message }, message });
  }
  const { status, statusText, ok, headers, redirected, type } = response;
  return { data, status, statusText, ok, headers, redirected, type, url: response.url, config: request };
}

async function parse(response: Response, type: BackendSrvRequest['responseType']) {
  switch (type) {
    case 'arraybuffer':
      return response.arrayBuffer();
    case 'blob':
      return response.blob();
  }
  const text = await response.text();
  if (type === 'text') {
    return text;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? null : { message: text };
  }
}
