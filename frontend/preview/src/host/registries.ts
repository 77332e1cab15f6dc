import {
  dataLinksOverrideProcessor,
  DataTransformerInfo,
  displayNameOverrideProcessor,
  FieldConfigPropertyItem,
  FieldOverrideContext,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  TransformerRegistryItem,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

/** Values are shown here and never edited, so the editors that the registries ask for are empty. */
const noEditor = () => null;

// Each processor takes the value type of its own option; the registry holds them all as one type.
type Processor = (value: never, context: FieldOverrideContext) => unknown;

function option(id: string, process: Processor, path = id): FieldConfigPropertyItem {
  return {
    id,
    path,
    name: id,
    editor: noEditor,
    override: noEditor,
    process: process as FieldConfigPropertyItem['process'],
    shouldApply: () => true,
  };
}

function standardOptions(): FieldConfigPropertyItem[] {
  return [
    option('unit', unitOverrideProcessor as Processor),
    option('min', numberOverrideProcessor),
    option('max', numberOverrideProcessor),
    option('fieldMinMax', identityOverrideProcessor),
    option('decimals', numberOverrideProcessor),
    option('displayName', displayNameOverrideProcessor),
    option('description', stringOverrideProcessor),
    option('color', identityOverrideProcessor),
    option('noValue', stringOverrideProcessor),
    option('links', dataLinksOverrideProcessor as Processor),
    option('mappings', valueMappingsOverrideProcessor as Processor),
    option('thresholds', thresholdsOverrideProcessor as Processor),
    option('filterable', identityOverrideProcessor),
  ];
}

function transformer(info: DataTransformerInfo): TransformerRegistryItem {
  return {
    id: info.id,
    name: info.name,
    description: info.description,
    defaultOptions: info.defaultOptions,
    transformation: async () => info,
    editor: noEditor,
    imageDark: '',
    imageLight: '',
  };
}

/** Field options (unit, thresholds, ...) and transformations: without them dashboards' settings would do nothing. */
export function fillRegistries() {
  standardFieldConfigEditorRegistry.setInit(standardOptions);
  // Some are exported under a second, older name.
  const byId = new Map(Object.values<DataTransformerInfo>(standardTransformers).map((info) => [info.id, info]));
  standardTransformersRegistry.setInit(() => [...byId.values()].map(transformer));
}
