"""Names that a model file may contain: an allow list, because a deny list is never complete.

Names that are not listed are refused before a loader sees them. They are those of Keras 3 and
tf_keras; a test compares them with the installed libraries.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


MODELS = words("Functional Model Sequential")

# Layers of keras and tf_keras, including names in older versions.
LAYERS = words("""
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
    AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D
    AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization Bidirectional
    CategoryEncoding CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D
    Convolution1D Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D
    Convolution3DTranspose Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D
    DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU
    GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D
    GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GroupNormalization GroupQueryAttention GroupedQueryAttention Identity InputLayer LSTM LSTMCell
    LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking MaxNumBoundingBoxes
    MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram
    Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization
    RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast
    RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
    RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU
    RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D
    SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax
    Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
    StackedRNNCells Subtract ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
""")

# Layers of tf_keras that call a function of TensorFlow, which must be one of TF_FUNCTIONS.
CALLING_LAYERS = words("TFOpLambda SlicingOpLambda")

TF_FUNCTIONS = words("""
    __operators__.add __operators__.eq __operators__.getitem __operators__.ne broadcast_to cast
    clip_by_value compat.v1.boolean_mask compat.v1.floor_div compat.v1.gather compat.v1.gather_nd
    compat.v1.nn.crelu compat.v1.norm compat.v1.pad compat.v1.shape compat.v1.size compat.v1.squeeze
    compat.v1.transpose concat einsum ensure_shape expand_dims identity image.central_crop
    image.resize image.rgb_to_grayscale linalg.matmul linalg.matrix_transpose math.abs math.acos
    math.acosh math.add math.add_n math.argmax math.argmin math.asin math.asinh math.atan math.atan2
    math.atanh math.ceil math.cos math.cosh math.cumprod math.cumsum math.divide_no_nan math.equal
    math.erf math.exp math.expm1 math.floor math.floordiv math.floormod math.greater
    math.greater_equal math.is_finite math.is_inf math.is_nan math.l2_normalize math.less
    math.less_equal math.log math.log1p math.log_sigmoid math.logical_and math.logical_not
    math.logical_or math.maximum math.minimum math.multiply math.multiply_no_nan math.negative
    math.not_equal math.pow math.reciprocal math.reduce_logsumexp math.reduce_max math.reduce_mean
    math.reduce_min math.reduce_prod math.reduce_std math.reduce_sum math.reduce_variance math.round
    math.rsqrt math.sigmoid math.sign math.sin math.sinh math.softplus math.sqrt math.square
    math.squared_difference math.subtract math.tan math.tanh math.top_k math.truediv nn.avg_pool
    nn.avg_pool2d nn.bias_add nn.depth_to_space nn.dropout nn.elu nn.gelu nn.leaky_relu
    nn.local_response_normalization nn.log_softmax nn.max_pool nn.max_pool2d nn.relu nn.relu6
    nn.selu nn.silu nn.softmax nn.softsign nn.space_to_depth one_hot ones_like rank repeat reshape
    reverse roll slice sort split stack stop_gradient strided_slice tensordot tile unstack where
    zeros_like
""")

# Operations of keras.ops in a functional model, none of which takes a function.
OPERATIONS = words("""
    Abs Absolute AdaptiveAveragePool AdaptiveMaxPool Add All Amax Amin Any Append Arccos Arccosh
    Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argsort ArraySplit Average AveragePool
    BatchNorm BroadcastTo Cast Cbrt Ceil Celu Clip Concatenate Conv ConvTranspose Copy Cos Cosh
    CountNonzero Cross Cumprod Cumsum Deg2rad DepthToSpace DepthwiseConv Diagonal Diff Digitize
    Divide DivideNoNan Dot DotProductAttention Dsplit Dstack Einsum Elu Equal Erf Erfc Erfinv Exp
    Exp2 ExpandDims Expm1 ExtractPatches Fabs Flip Fliplr Flipud Floor FloorDivide Fmax Fmin Fmod
    FullLike Gelu GetItem Glu Greater GreaterEqual HSVToRGB HardShrink HardSigmoid HardSilu HardTanh
    Heaviside Hsplit Hstack Hypot Inner Isclose Isfinite Isinf Isnan LayerNorm LeakyRelu Less
    LessEqual Log Log10 Log1p Log2 LogSigmoid LogSoftmax Logaddexp Logaddexp2 LogicalAnd LogicalNot
    LogicalOr LogicalXor Logsumexp Matmul Max MaxPool Maximum Mean Median Min Minimum Mod Moments
    Moveaxis Multiply NanToNum Negative Norm Normalize NotEqual OneHot OnesLike Outer Pad PadImages
    Power Prod Ptp RGBToGrayscale RGBToHSV RMSNorm Rad2deg Ravel Rearrange Reciprocal Relu Relu6
    Repeat Reshape Resize Roll Rot90 Round Rsqrt Select Selu SeparableConv Sigmoid Sign Silu Sin
    Sinc Sinh Slice Softmax SoftShrink Softplus Softsign Sort SpaceToDepth SparsePlus SparseSigmoid
    Sparsemax Split Sqrt Square Squareplus Squeeze Stack Std StopGradient Subtract Sum Swapaxes Take
    TakeAlongAxis Tan Tanh TanhShrink Tensordot Threshold Tile TopK Transpose Tril Triu TrueDivide
    Trunc Unstack Var Vdot Vsplit Vstack Where ZerosLike CropImages
""")

ACTIVATIONS = words("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
    linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus
    softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
""")

INITIALIZERS = words("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal
    LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT
    STFTInitializer TruncatedNormal VarianceScaling Zeros constant glorot_normal glorot_uniform
    he_normal he_uniform identity lecun_normal lecun_uniform normal one ones orthogonal
    random_normal random_uniform stft truncated_normal uniform variance_scaling zero zeros
""")

REGULARIZERS = words("""
    L1 L1L2 L2 OrthogonalRegularizer l1 l1_l2 l2 orthogonal_regularizer
""")

CONSTRAINTS = words("""
    MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm min_max_norm non_neg
    radial_constraint unit_norm
""")

DTYPES = words("""
    AutocastVariable DTypePolicy DTypePolicyMap FloatDTypePolicy Policy PolicyV1
""")

# What Keras' own quantize() leaves in a model, which is then no longer a float model.
QUANTIZED = words("""
    AWQConfig AWQDTypePolicy AbsMaxQuantizer Float8QuantizationConfig GPTQConfig GPTQDTypePolicy
    Int4DTypePolicy Int4QuantizationConfig Int8QuantizationConfig QuantizedDTypePolicy
    QuantizedFloat8DTypePolicy
""")

LOSSES = words("""
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
    CosineSimilarity Dice Hinge Huber KLD KLDivergence LogCosh MAE MAPE MSE MSLE MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky bce binary_crossentropy
    binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
    categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity ctc dice hinge
    huber kl_divergence kld kullback_leibler_divergence log_cosh logcosh mae mape
    mean_absolute_error mean_absolute_percentage_error mean_squared_error
    mean_squared_logarithmic_error mse msle poisson sparse_categorical_crossentropy squared_hinge
    tversky
""")

METRICS = LOSSES | words("""
    AUC Accuracy BinaryAccuracy BinaryIoU CategoricalAccuracy ConcordanceCorrelation F1Score
    FBetaScore FalseNegatives FalsePositives IoU LogCoshError Mean MeanIoU MeanMetricWrapper
    MeanRelativeError OneHotIoU OneHotMeanIoU PearsonCorrelation Precision PrecisionAtRecall R2Score
    Recall RecallAtPrecision RootMeanSquaredError SensitivityAtSpecificity SparseCategoricalAccuracy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity Sum TopKCategoricalAccuracy TrueNegatives
    TruePositives acc accuracy binary_accuracy categorical_accuracy ce concordance_correlation
    crossentropy cosine_proximity pearson_correlation sparse_categorical_accuracy
    sparse_top_k_categorical_accuracy top_k_categorical_accuracy
""")

OPTIMIZERS = words("""
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer MultiOptimizer
    Muon Nadam OptimizerMap RMSprop SGD adadelta adafactor adagrad adam adamax adamw ftrl lamb lion
    lossscaleoptimizer muon nadam rmsprop sgd CosineDecay CosineDecayRestarts ExponentialDecay
    InverseTimeDecay PiecewiseConstantDecay PolynomialDecay ScheduleFreeAdamW
""")

# Keras' names for values that JSON does not have.
VALUES = words("""
    TensorShape __bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__ __tuple__
""")

CLASSES = (
    MODELS
    | LAYERS
    | CALLING_LAYERS
    | INITIALIZERS
    | REGULARIZERS
    | CONSTRAINTS
    | DTYPES
    | LOSSES
    | METRICS
    | OPTIMIZERS
)

# Wrappers of tensorflow-model-optimization around layers of tf_keras, with their settings.
WRAPPERS = words("""
    AllValuesQuantizer ClusterWeights ConstantSparsity Default8BitActivationQuantizeConfig
    Default8BitConvQuantizeConfig Default8BitConvTransposeQuantizeConfig
    Default8BitOutputQuantizeConfig
    Default8BitQuantizeConfig LastValueQuantizer MovingAverageQuantizer NoOpActivation
    NoOpQuantizeConfig PolynomialDecay PruneLowMagnitude QuantizeAwareActivation QuantizeLayer
    QuantizeWrapper QuantizeWrapperV2
""")

WRAPPERS_IN = words("""
    clustering.keras.cluster_wrapper quantization.keras.quantize_aware_activation
    quantization.keras.quantize_layer quantization.keras.quantize_wrapper
    sparsity.keras.pruning_wrapper
""")

FUNCTIONS = ACTIVATIONS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | LOSSES | METRICS

# Classes of ours that are registered with Keras when tflm_ext.qat.model is imported.
REGISTERED = words("""
    tflm_ext>FakeQuant tflm_ext>Formula tflm_ext>QuantizedAffine tflm_ext>QuantizedLayer
    tflm_ext>QuantizedModel
""")

# Now, and in files of earlier versions.
REGISTERED_IN = ("tflm_ext.qat", "tflm_ext.compression.qat")

# Packages of Keras, without "keras" or "tf_keras" before them.
PACKAGES = words("""
    activations constraints dtype_policies initializers layers losses metrics mixed_precision models
    optimizers regularizers
""")
# Modules that define classes without a public name.
MODULES = words("""
    engine.compile_utils engine.functional engine.sequential engine.training layers.experimental
    layers.experimental.preprocessing mixed_precision.policy models.functional models.sequential
    optimizers.experimental optimizers.legacy optimizers.schedules
    optimizers.schedules.learning_rate_schedule ops.core ops.einops ops.image ops.linalg ops.math
    ops.nn ops.numpy layers.core.tf_op_layer
""")

# Layers that a file must not have, with special errors; all other names are simply unknown.
RUNS_CODE = words("""
    Lambda __lambda__ __typespec__ TFSMLayer TorchModuleWrapper JaxLayer FlaxLayer TensorFlowOpLayer
    ClassMethod InstanceMethod InstanceProperty TypeSpec CompositeTensor
""")
READS_TEXT = words(
    "DenseFeatures Hashing HashedCrossing IntegerLookup StringLookup TextVectorization"
)

# Operators of TensorFlow that use only their inputs, or keep state in a variable.
OPERATORS = words("""
    Abs Acos Acosh Add AddN AddV2 AdjustContrastv2 AdjustHue AdjustSaturation All Any ArgMax ArgMin
    Asin Asinh Assert AssignAddVariableOp AssignSubVariableOp AssignVariableOp Atan Atan2 Atanh
    AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpace BatchToSpaceND BiasAdd
    Bitcast BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs BroadcastTo Bucketize Case Cast Ceil
    CheckNumerics ClipByValue Concat ConcatOffset ConcatV2 Const Conv2D Conv2DBackpropInput Conv3D
    Conv3DBackpropInputV2 Cos Cosh Cross CudnnRNN CudnnRNNBackpropV3 CudnnRNNV2 CudnnRNNV3 Cumprod
    Cumsum CumulativeLogsumexp DepthToSpace DepthwiseConv2dNative Dequantize Diag DiagPart
    DisableCopyOnRead Div DivNoNan DynamicPartition DynamicStitch Einsum Elu EmptyTensorList
    EnsureShape Equal Erf Erfc Exp ExpandDims Expm1 ExtractImagePatches FFT FakeParam
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Fill Floor
    FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2
    Greater GreaterEqual HSVToRGB Identity IdentityN If Imag ImageProjectiveTransformV2
    ImageProjectiveTransformV3 InTopKV2 Inv InvertPermutation IsFinite IsInf IsNan
    IsVariableInitialized L2Loss LRN LeakyRelu Less LessEqual LinSpace Log Log1p LogSoftmax
    LogicalAnd LogicalNot LogicalOr LowerBound MatMul MatrixBandPart MatrixDiag MatrixDiagPart
    MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 Max MaxPool MaxPool3D MaxPoolV2 Maximum Mean Min
    Minimum MirrorPad Mod Mul MulNoNan Multinomial Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2
    ParallelDynamicStitch PartitionedCall Placeholder PlaceholderV2 PlaceholderWithDefault Pow
    PreventGradient Prod QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    QuantizeV2 RFFT IRFFT RFFT2D RGBToHSV RandomShuffle RandomStandardNormal RandomUniform
    RandomUniformInt Range Rank ReadVariableOp Real RealDiv Reciprocal Relu Relu6 Reshape ResizeArea
    ResizeBicubic ResizeBilinear ResizeNearestNeighbor ResourceGather ResourceGatherNd Reverse
    ReverseSequence ReverseV2 Rint RngReadAndSkip Roll Round Rsqrt ScatterNd Select SelectV2 Selu
    Shape ShapeN Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToBatch
    SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
    StatefulPartitionedCall StatelessCase StatelessIf StatelessRandomGetAlg
    StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
    StatelessRandomUniformV2 StatelessTruncatedNormalV2 StatelessWhile StopGradient StridedSlice Sub
    Sum Svd Tan Tanh TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather
    TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListReserve
    TensorListResize TensorListSetItem TensorListStack TensorScatterAdd TensorScatterMax
    TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2
    Transpose TruncateDiv TruncateMod TruncatedNormal Unpack UnravelIndex UnsortedSegmentMax
    UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound VarHandleOp
    VarIsInitializedOp VariableShape VariableV2 Variable Assign AssignAdd AssignSub Where While
    Xdivy Xlog1py Xlogy ZerosLike
""")

# Operators for training: a SavedModel may contain a training function, which is never called here.
TRAINING_OPERATORS = words("""
    AvgPoolGrad BiasAddGrad BroadcastGradientArgs Conv2DBackpropFilter
    DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput EluGrad
    FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 LeakyReluGrad MaxPoolGrad
    MaxPoolGradV2 Relu6Grad ReluGrad ReciprocalGrad ResizeBilinearGrad ResizeNearestNeighborGrad
    ResourceApplyAdagradV2 ResourceApplyAdam ResourceApplyAdamWithAmsgrad
    ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum
    ResourceApplyRMSProp RsqrtGrad SeluGrad SigmoidGrad SoftmaxCrossEntropyWithLogits SoftplusGrad
    SoftsignGrad SparseSoftmaxCrossEntropyWithLogits SqrtGrad StridedSliceGrad TanhGrad
""")

# Operators that read the variables of an old SavedModel, from the loader's file.
RESTORING_OPERATORS = words("RestoreV2")
