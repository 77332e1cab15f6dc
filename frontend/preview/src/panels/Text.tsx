import { PanelPlugin, PanelProps, renderMarkdown } from '@grafana/data';

interface Options {
  mode?: 'markdown' | 'html';
  content?: string;
}

function TextPanel({ options, replaceVariables }: PanelProps<Options>) {
  // renderMarkdown sanitizes what it renders.
  const html = renderMarkdown(replaceVariables(options.content ?? ''));
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
}

export const text = new PanelPlugin<Options>(TextPanel);
