//! The entries of the `OrtApi` that this crate leaves out: each answers with a status that says which one it was.
//!
//! A function of the right signature is derived from the type of the table's own field, so that the list below is
//! nothing but names, and a name that is wrong does not compile.

use ort_sys::{OrtApi, OrtStatusPtr};

use crate::{error::Error, ffi};

/// Carries the name of an entry in a type, which a function pointer cannot hold.
pub(crate) trait Entry {
    const NAME: &'static str;
}

/// A function type of the table, of which there is a function that refuses and one that does nothing.
pub(crate) trait Answer {
    fn refusal<E: Entry>() -> Self;

    /// Accepts a call without effect.
    fn acceptance() -> Self;
}

macro_rules! answers {
    ($(($($argument:ident)*))*) => {$(
        impl<$($argument),*> Answer for unsafe extern "system" fn($($argument),*) -> OrtStatusPtr {
            fn refusal<E: Entry>() -> Self {
                unsafe extern "system" fn refuse<E: Entry, $($argument),*>($(_: $argument),*) -> OrtStatusPtr {
                    ffi::status(&Error::NotImplemented(E::NAME))
                }
                refuse::<E, $($argument),*>
            }

            fn acceptance() -> Self {
                unsafe extern "system" fn accept<$($argument),*>($(_: $argument),*) -> OrtStatusPtr {
                    OrtStatusPtr::default()
                }
                accept::<$($argument),*>
            }
        }
    )*};
}

answers! {
    (A) (A B) (A B C) (A B C D) (A B C D F) (A B C D F G) (A B C D F G H) (A B C D F G H I) (A B C D F G H I J)
    (A B C D F G H I J K) (A B C D F G H I J K L) (A B C D F G H I J K L M)
}

macro_rules! table {
    ($($(#[$where:meta])* $name:ident)*) => {
        // The entries that do not answer with a status come from `ort-sys`: releasing what this crate never made does
        // nothing, and asking for another table gives a null pointer, which `ort` reports as an error. So do entries
        // of a later level of the interface than the one this crate asks for, if another crate of the program does.
        // On WebAssembly three entries are Rust functions that return futures: there `session` fills them in.
        OrtApi {
            $($(#[$where])* $name: {
                struct Named;
                impl Entry for Named {
                    const NAME: &'static str = stringify!($name);
                }
                Answer::refusal::<Named>()
            },)*
            ..ort_sys::stub::api()
        }
    };
}

/// A table in which nothing works and nothing is null.
pub(crate) fn table() -> OrtApi {
    table! {
        CreateStatus CreateEnv CreateEnvWithCustomLogger EnableTelemetryEvents DisableTelemetryEvents
        #[cfg(not(target_arch = "wasm32"))] CreateSession
        #[cfg(not(target_arch = "wasm32"))] CreateSessionFromArray
        Run CreateSessionOptions SetOptimizedModelFilePath CloneSessionOptions
        SetSessionExecutionMode EnableProfiling DisableProfiling EnableMemPattern DisableMemPattern EnableCpuMemArena
        DisableCpuMemArena SetSessionLogId SetSessionLogVerbosityLevel SetSessionLogSeverityLevel
        SetSessionGraphOptimizationLevel SetIntraOpNumThreads SetInterOpNumThreads CreateCustomOpDomain
        CustomOpDomain_Add AddCustomOpDomain RegisterCustomOpsLibrary SessionGetInputCount SessionGetOutputCount
        SessionGetOverridableInitializerCount SessionGetInputTypeInfo SessionGetOutputTypeInfo
        SessionGetOverridableInitializerTypeInfo SessionGetInputName SessionGetOutputName
        SessionGetOverridableInitializerName CreateRunOptions RunOptionsSetRunLogVerbosityLevel
        RunOptionsSetRunLogSeverityLevel RunOptionsSetRunTag RunOptionsGetRunLogVerbosityLevel
        RunOptionsGetRunLogSeverityLevel RunOptionsGetRunTag RunOptionsSetTerminate RunOptionsUnsetTerminate
        CreateTensorAsOrtValue CreateTensorWithDataAsOrtValue IsTensor GetTensorMutableData FillStringTensor
        GetStringTensorDataLength GetStringTensorContent CastTypeInfoToTensorInfo GetOnnxTypeFromTypeInfo
        CreateTensorTypeAndShapeInfo SetTensorElementType SetDimensions GetTensorElementType GetDimensionsCount
        GetDimensions GetSymbolicDimensions GetTensorShapeElementCount GetTensorTypeAndShape GetTypeInfo GetValueType
        CreateMemoryInfo CreateCpuMemoryInfo CompareMemoryInfo MemoryInfoGetName MemoryInfoGetId MemoryInfoGetMemType
        MemoryInfoGetType AllocatorAlloc AllocatorFree AllocatorGetInfo GetAllocatorWithDefaultOptions
        AddFreeDimensionOverride GetValue GetValueCount CreateValue CreateOpaqueValue GetOpaqueValue
        KernelInfoGetAttribute_float KernelInfoGetAttribute_int64 KernelInfoGetAttribute_string
        KernelContext_GetInputCount KernelContext_GetOutputCount KernelContext_GetInput KernelContext_GetOutput
        GetDenotationFromTypeInfo CastTypeInfoToMapTypeInfo CastTypeInfoToSequenceTypeInfo GetMapKeyType GetMapValueType
        GetSequenceElementType SessionEndProfiling SessionGetModelMetadata ModelMetadataGetProducerName
        ModelMetadataGetGraphName ModelMetadataGetDomain ModelMetadataGetDescription
        ModelMetadataLookupCustomMetadataMap ModelMetadataGetVersion CreateEnvWithGlobalThreadPools
        DisablePerSessionThreads CreateThreadingOptions ModelMetadataGetCustomMetadataMapKeys
        AddFreeDimensionOverrideByName GetAvailableProviders ReleaseAvailableProviders GetStringTensorElementLength
        GetStringTensorElement FillStringTensorElement AddSessionConfigEntry CreateAllocator RunWithBinding
        CreateIoBinding BindInput BindOutput BindOutputToDevice GetBoundOutputNames GetBoundOutputValues TensorAt
        CreateAndRegisterAllocator SetLanguageProjection SessionGetProfilingStartTimeNs SetGlobalIntraOpNumThreads
        SetGlobalInterOpNumThreads SetGlobalSpinControl AddInitializer CreateEnvWithCustomLoggerAndGlobalThreadPools
        SessionOptionsAppendExecutionProvider_CUDA SessionOptionsAppendExecutionProvider_ROCM
        SessionOptionsAppendExecutionProvider_OpenVINO SetGlobalDenormalAsZero CreateArenaCfg
        ModelMetadataGetGraphDescription SessionOptionsAppendExecutionProvider_TensorRT SetCurrentGpuDeviceId
        GetCurrentGpuDeviceId KernelInfoGetAttributeArray_float KernelInfoGetAttributeArray_int64 CreateArenaCfgV2
        AddRunConfigEntry CreatePrepackedWeightsContainer CreateSessionWithPrepackedWeightsContainer
        CreateSessionFromArrayWithPrepackedWeightsContainer SessionOptionsAppendExecutionProvider_TensorRT_V2
        CreateTensorRTProviderOptions UpdateTensorRTProviderOptions GetTensorRTProviderOptionsAsString
        EnableOrtCustomOps RegisterAllocator UnregisterAllocator IsSparseTensor CreateSparseTensorAsOrtValue
        FillSparseTensorCoo FillSparseTensorCsr FillSparseTensorBlockSparse CreateSparseTensorWithValuesAsOrtValue
        UseCooIndices UseCsrIndices UseBlockSparseIndices GetSparseTensorFormat GetSparseTensorValuesTypeAndShape
        GetSparseTensorValues GetSparseTensorIndicesTypeShape GetSparseTensorIndices HasValue
        KernelContext_GetGPUComputeStream GetTensorMemoryInfo GetExecutionProviderApi
        SessionOptionsSetCustomCreateThreadFn SessionOptionsSetCustomThreadCreationOptions
        SessionOptionsSetCustomJoinThreadFn SetGlobalCustomCreateThreadFn SetGlobalCustomThreadCreationOptions
        SetGlobalCustomJoinThreadFn SynchronizeBoundInputs SynchronizeBoundOutputs
        SessionOptionsAppendExecutionProvider_CUDA_V2 CreateCUDAProviderOptions UpdateCUDAProviderOptions
        GetCUDAProviderOptionsAsString SessionOptionsAppendExecutionProvider_MIGraphX AddExternalInitializers
        CreateOpAttr CreateOp InvokeOp SessionOptionsAppendExecutionProvider CopyKernelInfo
        SessionOptionsAppendExecutionProvider_CANN CreateCANNProviderOptions UpdateCANNProviderOptions
        GetCANNProviderOptionsAsString UpdateEnvWithCustomLogLevel SetGlobalIntraOpThreadAffinity
        RegisterCustomOpsLibrary_V2 RegisterCustomOpsUsingFunction KernelInfo_GetInputCount KernelInfo_GetOutputCount
        KernelInfo_GetInputName KernelInfo_GetOutputName KernelInfo_GetInputTypeInfo KernelInfo_GetOutputTypeInfo
        KernelInfoGetAttribute_tensor HasSessionConfigEntry GetSessionConfigEntry
        SessionOptionsAppendExecutionProvider_Dnnl CreateDnnlProviderOptions UpdateDnnlProviderOptions
        GetDnnlProviderOptionsAsString KernelInfo_GetNodeName KernelInfo_GetLogger KernelContext_GetLogger
        Logger_LogMessage Logger_GetLoggingSeverityLevel KernelInfoGetConstantInput_tensor
        CastTypeInfoToOptionalTypeInfo GetOptionalContainedTypeInfo GetResizedStringTensorElementBuffer
        KernelContext_GetAllocator CreateROCMProviderOptions UpdateROCMProviderOptions GetROCMProviderOptionsAsString
        CreateAndRegisterAllocatorV2 #[cfg(not(target_arch = "wasm32"))] RunAsync UpdateTensorRTProviderOptionsWithValue GetTensorRTProviderOptionsByName
        UpdateCUDAProviderOptionsWithValue GetCUDAProviderOptionsByName KernelContext_GetResource SetUserLoggingFunction
        ShapeInferContext_GetInputCount ShapeInferContext_GetInputTypeShape ShapeInferContext_GetAttribute
        ShapeInferContext_SetOutputTypeShape SetSymbolicDimensions ReadOpAttr SetDeterministicCompute
        KernelContext_ParallelFor SessionOptionsAppendExecutionProvider_OpenVINO_V2
        SessionOptionsAppendExecutionProvider_VitisAI KernelContext_GetScratchBuffer KernelInfoGetAllocator
        AddExternalInitializersFromMemory CreateLoraAdapter CreateLoraAdapterFromArray RunOptionsAddActiveLoraAdapter
        SetEpDynamicOptions GetValueInfoName GetValueInfoTypeInfo CreateTensorWithDataAndDeleterAsOrtValue
        SessionOptionsSetLoadCancellationFlag RegisterExecutionProviderLibrary UnregisterExecutionProviderLibrary
        GetEpDevices SessionOptionsAppendExecutionProvider_V2 SessionOptionsSetEpSelectionPolicy
        SessionOptionsSetEpSelectionPolicyDelegate GetTensorSizeInBytes AllocatorGetStats CreateMemoryInfo_V2
        ValueInfo_GetValueProducer ValueInfo_GetValueNumConsumers ValueInfo_GetValueConsumers
        ValueInfo_GetInitializerValue ValueInfo_GetExternalInitializerInfo ValueInfo_IsRequiredGraphInput
        ValueInfo_IsOptionalGraphInput ValueInfo_IsGraphOutput ValueInfo_IsConstantInitializer
        ValueInfo_IsFromOuterScope Graph_GetName Graph_GetModelPath Graph_GetOnnxIRVersion Graph_GetNumOperatorSets
        Graph_GetOperatorSets Graph_GetNumInputs Graph_GetInputs Graph_GetNumOutputs Graph_GetOutputs
        Graph_GetNumInitializers Graph_GetInitializers Graph_GetNumNodes Graph_GetNodes Graph_GetParentNode
        Graph_GetGraphView Node_GetId Node_GetName Node_GetOperatorType Node_GetDomain Node_GetSinceVersion
        Node_GetNumInputs Node_GetInputs Node_GetNumOutputs Node_GetOutputs Node_GetNumImplicitInputs
        Node_GetImplicitInputs Node_GetNumAttributes Node_GetAttributes Node_GetAttributeByName
        OpAttr_GetTensorAttributeAsOrtValue OpAttr_GetType OpAttr_GetName Node_GetNumSubgraphs Node_GetSubgraphs
        Node_GetGraph Node_GetEpName CreateSharedAllocator GetSharedAllocator ReleaseSharedAllocator GetTensorData
        GetSessionOptionsConfigEntries SessionGetMemoryInfoForInputs SessionGetMemoryInfoForOutputs
        SessionGetEpDeviceForInputs CreateSyncStreamForEpDevice CopyTensors Graph_GetModelMetadata
        GetModelCompatibilityForEpDevices CreateExternalInitializerInfo KernelInfo_GetConfigEntries
        KernelInfo_GetOperatorDomain KernelInfo_GetOperatorType KernelInfo_GetOperatorSinceVersion
        SessionGetEpDeviceForOutputs GetNumHardwareDevices GetHardwareDevices GetHardwareDeviceEpIncompatibilityDetails
        DeviceEpIncompatibilityDetails_GetReasonsBitmask DeviceEpIncompatibilityDetails_GetNotes
        DeviceEpIncompatibilityDetails_GetErrorCode GetCompatibilityInfoFromModel GetCompatibilityInfoFromModelBytes
        CreateEnvWithOptions Session_GetEpGraphAssignmentInfo EpAssignedSubgraph_GetEpName EpAssignedSubgraph_GetNodes
        EpAssignedNode_GetName EpAssignedNode_GetDomain EpAssignedNode_GetOperatorType
        GetTensorElementTypeAndShapeDataReference
    }
}
