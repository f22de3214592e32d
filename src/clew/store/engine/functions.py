"""Functions that a statement of a user may call (engine 26.9.2.1).

Generated; do not edit:

    python -m clew.store.engine.allowlist > src/clew/store/engine/functions.py
"""

# ruff: noqa: SIM905

from __future__ import annotations

from typing import Final

EXACT: Final = frozenset(
    """
    DATE_DIFF IPv4CIDRToRange IPv4NumToString IPv4NumToStringClassC IPv4StringToNum
    IPv4StringToNumOrDefault IPv4StringToNumOrNull IPv4ToIPv6 IPv6CIDRToRange IPv6NumToString
    IPv6StringToNum IPv6StringToNumOrDefault IPv6StringToNumOrNull JSONAllPaths
    JSONAllPathsWithTypes JSONAllValues JSONArrayLength JSONDynamicPaths
    JSONDynamicPathsWithTypes JSONExtract JSONExtractArrayRaw JSONExtractArrayRawCaseInsensitive
    JSONExtractBool JSONExtractBoolCaseInsensitive JSONExtractCaseInsensitive JSONExtractFloat
    JSONExtractFloatCaseInsensitive JSONExtractInt JSONExtractIntCaseInsensitive JSONExtractKeys
    JSONExtractKeysAndValues JSONExtractKeysAndValuesCaseInsensitive JSONExtractKeysAndValuesRaw
    JSONExtractKeysAndValuesRawCaseInsensitive JSONExtractKeysCaseInsensitive JSONExtractRaw
    JSONExtractRawCaseInsensitive JSONExtractString JSONExtractStringCaseInsensitive
    JSONExtractUInt JSONExtractUIntCaseInsensitive JSONHas JSONKey JSONLength JSONMergePatch
    JSONSharedDataPaths JSONSharedDataPathsWithTypes JSONType JSON_EXISTS JSON_QUERY JSON_VALUE
    L1Distance L1Norm L1Normalize L2Distance L2DistanceTransposed L2DistanceTransposedQuantized
    L2Norm L2Normalize L2SquaredDistance L2SquaredNorm LinfDistance LinfNorm LinfNormalize
    LpDistance LpNorm LpNormalize MACNumToString MACStringToNum MACStringToOUI MAP_FROM_ARRAYS
    MD4 MD5 RIPEMD160 SHA1 SHA224 SHA256 SHA384 SHA512 SHA512_256 TIMESTAMP_DIFF URLHash
    URLHierarchy URLPathHierarchy UUIDNumToString UUIDStringToNum UUIDToNum UUIDv7ToDateTime
    YYYYMMDDhhmmssToDateTime64 accurateCast accurateCastOrDefault accurateCastOrNull acosh
    addDays addHours addInterval addMicroseconds addMilliseconds addMinutes addMonths
    addNanoseconds addQuarters addSeconds addTupleOfIntervals addWeeks addYears alphaTokens and
    any anyHeavy anyLast anyLastRespectNulls anyLast_respect_nulls anyRespectNulls
    anyValueRespectNulls any_respect_nulls appendTrailingCharIfAbsent argAndMax argAndMin argMax
    argMin array arrayAUC arrayAUCPR arrayAll arrayAutocorrelation arrayAvg arrayBottomK
    arrayCompact arrayConcat arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference
    arrayDistinct arrayDotProduct arrayElement arrayElementOrNull arrayEnumerate
    arrayEnumerateDense arrayEnumerateDenseRanked arrayEnumerateUniq arrayEnumerateUniqRanked
    arrayExcept arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull
    arrayFlatten arrayFlattenedLength arrayFold arrayIntersect arrayJaccardIndex arrayJoin
    arrayLast arrayLastIndex arrayLastOrNull arrayLevenshteinDistance
    arrayLevenshteinDistanceWeighted arrayMap arrayMax arrayMin arrayNormalizedGini arrayPRAUC
    arrayPartialReverseSort arrayPartialSort arrayPopBack arrayPopFront arrayProduct
    arrayPushBack arrayPushFront arrayROCAUC arrayRandomSample arrayReduce arrayReduceInRanges
    arrayRemove arrayResize arrayReverse arrayReverseFill arrayReverseSort arrayReverseSplit
    arrayRotateLeft arrayRotateRight arrayShiftLeft arrayShiftRight arrayShingles
    arraySimilarity arraySlice arraySort arraySplit arrayStringConcat arraySum
    arraySymmetricDifference arrayTopK arrayTranspose arrayUnion arrayUniq arrayWithConstant
    arrayZip arrayZipUnaligned asinh assumeNotNull atanh avgWeighted bar base32Decode
    base32Encode base58Decode base58Encode base64Decode base64Encode base64URLDecode
    base64URLEncode basename bitAnd bitCount bitHammingDistance bitNot bitOr bitPositionsToArray
    bitRotateLeft bitRotateRight bitShiftLeft bitShiftRight bitSlice bitTest bitTestAll
    bitTestAny bitXor bitmapAnd bitmapAndCardinality bitmapAndnot bitmapAndnotCardinality
    bitmapBuild bitmapCardinality bitmapContains bitmapHasAll bitmapHasAny bitmapMax bitmapMin
    bitmapOr bitmapOrCardinality bitmapSubsetInRange bitmapSubsetLimit bitmapToArray
    bitmapTransform bitmapXor bitmapXorCardinality bitmaskToArray bitmaskToList boundingRatio
    byteHammingDistance byteSize caseFoldUTF8 caseWithExpr caseWithExpression caseWithoutExpr
    caseWithoutExpression categoricalInformationValue cbrt changeDay changeHour changeMinute
    changeMonth changeSecond changeYear cityHash64 clamp compareSubstrings concatAssumeInjective
    concatWithSeparator concatWithSeparatorAssumeInjective contingency conv convertCharset
    corrMatrix corrStable cosh cosineDistance cosineDistanceTransposed
    cosineDistanceTransposedQuantized countDigits countEqual countMatches
    countMatchesCaseInsensitive countSubstringsCaseInsensitive
    countSubstringsCaseInsensitiveUTF8 covarPop covarPopMatrix covarPopStable covarSamp
    covarSampMatrix covarSampStable cramersV cramersVBiasCorrected cume_dist cutFragment cutIPv6
    cutQueryString cutQueryStringAndFragment cutToFirstSignificantSubdomain
    cutToFirstSignificantSubdomainCustom cutToFirstSignificantSubdomainCustomRFC
    cutToFirstSignificantSubdomainCustomWithWWW cutToFirstSignificantSubdomainCustomWithWWWRFC
    cutToFirstSignificantSubdomainRFC cutToFirstSignificantSubdomainWithWWW
    cutToFirstSignificantSubdomainWithWWWRFC cutURLParameter cutWWW damerauLevenshteinDistance
    dateTime64ToSnowflakeID dateTimeToSnowflakeID dateTimeToUUIDv7 dateTrunc date_diff
    decodeHTMLComponent decodeURLComponent decodeURLFormComponent decodeXMLComponent deltaSum
    deltaSumTimestamp denseRank distinctDynamicTypes distinctJSONPaths distinctJSONPathsAndTypes
    divide divideDecimal divideOrNull domain domainRFC domainWithoutWWW domainWithoutWWWRFC
    dotProduct dotProductTransposed dotProductTransposedQuantized dynamicElement dynamicType e
    editDistance editDistanceUTF8 empty emptyArrayDate emptyArrayDateTime emptyArrayFloat32
    emptyArrayFloat64 emptyArrayInt16 emptyArrayInt32 emptyArrayInt64 emptyArrayInt8
    emptyArrayString emptyArrayToSingle emptyArrayUInt16 emptyArrayUInt32 emptyArrayUInt64
    emptyArrayUInt8 encodeURLComponent encodeURLFormComponent encodeXMLComponent endsWith
    endsWithCaseInsensitive endsWithCaseInsensitiveUTF8 endsWithUTF8 entropy equals erf erfc
    exists exp10 exp2 exponentialMovingAverage exponentialTimeDecayedAvg
    exponentialTimeDecayedCount exponentialTimeDecayedMax exponentialTimeDecayedSum extract
    extractAll extractAllGroups extractAllGroupsHorizontal extractAllGroupsVertical
    extractGroups extractKeyValuePairs extractKeyValuePairsWithEscaping extractTextFromHTML
    extractURLParameter extractURLParameterNames extractURLParameters farmFingerprint64
    farmHash64 financialInternalRateOfReturn financialInternalRateOfReturnExtended
    financialNetPresentValue financialNetPresentValueExtended firstLine
    firstSignificantSubdomain firstSignificantSubdomainCustom firstSignificantSubdomainCustomRFC
    firstSignificantSubdomainRFC firstValueRespectNulls flattenTuple format formatDateTime
    formatDateTimeInJodaSyntax formatReadableDecimalSize formatReadableQuantity
    formatReadableSize formatReadableTimeDelta fragment fromDaysSinceYearZero
    fromDaysSinceYearZero32 fromModifiedJulianDay fromModifiedJulianDayOrNull fromUTCTimestamp
    fromUnixTimestamp fromUnixTimestamp64Micro fromUnixTimestamp64Milli fromUnixTimestamp64Nano
    fromUnixTimestamp64Second fromUnixTimestampInJodaSyntax gccMurmurHash gcd generateUUIDv4
    generateUUIDv7 getSubcolumn gini globalIn globalInIgnoreSet globalNotIn globalNotInIgnoreSet
    globalNotNullIn globalNotNullInIgnoreSet globalNullIn globalNullInIgnoreSet greater
    greaterOrEquals groupArray groupArrayInsertAt groupArrayIntersect groupArrayLast
    groupArrayMovingAvg groupArrayMovingSum groupArraySample groupArraySorted groupBitAnd
    groupBitOr groupBitXor groupBitmap groupBitmapAnd groupBitmapOr groupBitmapXor groupConcat
    groupNumericIndexedVector groupUniqArray grouping halfMD5 has hasAll hasAllToken
    hasAllTokens hasAny hasAnyToken hasAnyTokens hasPhrase hasSubstr hasToken hasTokenOrNull
    highlight hilbertDecode hilbertEncode histogram hiveHash hop hopEnd hopStart icebergHash
    identity ifNotFinite ignore ilike in inIgnoreSet indexOf indexOfAssumeSorted initcapUTF8
    intDiv intDivOrNull intDivOrZero intExp10 intExp2 intHash32 intHash64 intervalLengthSum
    isASCII isConstant isDecimalOverflow isDistinctFrom isDynamicElementInSharedData isFinite
    isIPAddressInRange isIPv4String isIPv6String isInfinite isNaN isNotDistinctFrom isNotNull
    isNullable isPrime isProbablePrime isValidASCII isValidJSON isValidUTF8 isZeroOrNull
    jaroSimilarity jaroWinklerSimilarity javaHash javaHashUTF16LE jsonMergePatch
    jumpConsistentHash kafkaMurmurHash keccak256 kostikConsistentHash kqlBin kqlBinAt
    kqlDateTimeBinAt kqlDivide kqlMultiply kqlRangeCount kqlToTimespan kurtPop kurtSamp
    lagInFrame lambda largestTriangleThreeBuckets lastValueRespectNulls lcm leadInFrame leftPad
    leftPadUTF8 leftUTF8 lengthUTF8 less lessOrEquals levenshteinDistance
    levenshteinDistanceUTF8 lgamma like log1p lowerUTF8 ltrim lttb mannWhitneyUTest map mapAdd
    mapAll mapApply mapConcat mapContains mapContainsKey mapContainsKeyLike mapContainsValue
    mapContainsValueLike mapExists mapExtractKeyLike mapExtractValueLike mapFilter mapFromArrays
    mapFromString mapKeys mapPartialReverseSort mapPartialSort mapPopulateSeries mapReverseSort
    mapSort mapSubtract mapUpdate mapValues match matchCaseInsensitive matchPhrase materialize
    maxIntersections maxIntersectionsPosition maxMappedArrays meanZTest median medianBFloat16
    medianBFloat16Weighted medianDD medianDeterministic medianExact medianExactHigh
    medianExactLow medianExactWeighted medianExactWeightedInterpolated medianGK
    medianInterpolatedWeighted medianTDigest medianTDigestWeighted medianTiming
    medianTimingWeighted mergedJSONPatch metroHash64 minMappedArrays minus mismatches modulo
    moduloLegacy moduloOrNull moduloOrZero mortonDecode mortonEncode multiFuzzyMatchAllIndices
    multiFuzzyMatchAny multiFuzzyMatchAnyIndex multiIf multiMatchAllIndices multiMatchAny
    multiMatchAnyIndex multiSearchAllPositions multiSearchAllPositionsCaseInsensitive
    multiSearchAllPositionsCaseInsensitiveUTF8 multiSearchAllPositionsUTF8 multiSearchAny
    multiSearchAnyCaseInsensitive multiSearchAnyCaseInsensitiveUTF8 multiSearchAnyUTF8
    multiSearchFirstIndex multiSearchFirstIndexCaseInsensitive
    multiSearchFirstIndexCaseInsensitiveUTF8 multiSearchFirstIndexUTF8 multiSearchFirstPosition
    multiSearchFirstPositionCaseInsensitive multiSearchFirstPositionCaseInsensitiveUTF8
    multiSearchFirstPositionUTF8 multiply multiplyDecimal murmurHash2_32 murmurHash2_64
    murmurHash3_128 murmurHash3_32 murmurHash3_64 naturalSortKey negate netloc ngramDistance
    ngramDistanceCaseInsensitive ngramDistanceCaseInsensitiveUTF8 ngramDistanceUTF8 ngramMinHash
    ngramMinHashArg ngramMinHashArgCaseInsensitive ngramMinHashArgCaseInsensitiveUTF8
    ngramMinHashArgUTF8 ngramMinHashCaseInsensitive ngramMinHashCaseInsensitiveUTF8
    ngramMinHashUTF8 ngramSearch ngramSearchCaseInsensitive ngramSearchCaseInsensitiveUTF8
    ngramSearchUTF8 ngramSimHash ngramSimHashCaseInsensitive ngramSimHashCaseInsensitiveUTF8
    ngramSimHashUTF8 ngrams nonNegativeDerivative normalizeQuery normalizeUTF8NFC
    normalizeUTF8NFD normalizeUTF8NFKC normalizeUTF8NFKCCasefold normalizeUTF8NFKD
    normalizedQueryHash notEmpty notEquals notHas notILike notIn notInIgnoreSet notLike notMatch
    notMatchCaseInsensitive notNullIn notNullInIgnoreSet nothing nothingNull nothingUInt64
    nowInBlock nowInBlock64 nullIn nullInIgnoreSet or overlayUTF8 parseDateTime
    parseDateTime32BestEffort parseDateTime32BestEffortOrNull parseDateTime32BestEffortOrZero
    parseDateTime64 parseDateTime64BestEffort parseDateTime64BestEffortOrNull
    parseDateTime64BestEffortOrZero parseDateTime64BestEffortUS
    parseDateTime64BestEffortUSOrNull parseDateTime64BestEffortUSOrZero
    parseDateTime64InJodaSyntax parseDateTime64InJodaSyntaxOrNull
    parseDateTime64InJodaSyntaxOrZero parseDateTime64OrNull parseDateTime64OrZero
    parseDateTimeBestEffort parseDateTimeBestEffortOrNull parseDateTimeBestEffortOrZero
    parseDateTimeBestEffortUS parseDateTimeBestEffortUSOrNull parseDateTimeBestEffortUSOrZero
    parseDateTimeInJodaSyntax parseDateTimeInJodaSyntaxOrNull parseDateTimeInJodaSyntaxOrZero
    parseDateTimeOrNull parseDateTimeOrZero parseISO8601Duration parseReadableSize
    parseReadableSizeOrNull parseReadableSizeOrZero parseTimeDelta path pathFull percentRank
    plus port portRFC positionCaseInsensitive positionCaseInsensitiveUTF8 positionUTF8
    prettyPrintJSON printf proportionsZTest protocol quantile quantileBFloat16
    quantileBFloat16Weighted quantileDD quantileDeterministic quantileExact
    quantileExactExclusive quantileExactHigh quantileExactInclusive quantileExactLow
    quantileExactWeighted quantileExactWeightedInterpolated quantileGK
    quantileInterpolatedWeighted quantilePrometheusHistogram quantileTDigest
    quantileTDigestWeighted quantileTiming quantileTimingWeighted quantiles quantilesBFloat16
    quantilesBFloat16Weighted quantilesDD quantilesDeterministic quantilesExact
    quantilesExactExclusive quantilesExactHigh quantilesExactInclusive quantilesExactLow
    quantilesExactWeighted quantilesExactWeightedInterpolated quantilesGK
    quantilesInterpolatedWeighted quantilesPrometheusHistogram quantilesTDigest
    quantilesTDigestWeighted quantilesTiming quantilesTimingWeighted queryString
    queryStringAndFragment rand32 rand64 randBernoulli randBinomial randCanonical randChiSquared
    randConstant randExponential randFisherF randLogNormal randNegativeBinomial randNormal
    randPoisson randStudentT randUniform randomFixedString randomHadamardTransform
    randomPrintableASCII randomString randomStringUTF8 range rankCorr regexpExtract
    regexpPosition regexpQuoteMeta reinterpretAsDate reinterpretAsDateTime
    reinterpretAsFixedString reinterpretAsFloat32 reinterpretAsFloat64 reinterpretAsInt128
    reinterpretAsInt16 reinterpretAsInt256 reinterpretAsInt32 reinterpretAsInt64
    reinterpretAsInt8 reinterpretAsString reinterpretAsUInt128 reinterpretAsUInt16
    reinterpretAsUInt256 reinterpretAsUInt32 reinterpretAsUInt64 reinterpretAsUInt8
    reinterpretAsUUID removeAccentsUTF8 removeDiacriticsUTF8 replaceAll replaceOne
    replaceRegexpAll replaceRegexpOne replicate retention reverseBySeparator reverseUTF8
    rightPad rightPadUTF8 rightUTF8 roundAge roundBankers roundDown roundDuration roundToExp2
    rowNumberInAllBlocks rowNumberInBlock rtrim sequenceCount sequenceMatch sequenceMatchEvents
    sequenceNextNode sigmoid simpleJSONExtractBool simpleJSONExtractFloat simpleJSONExtractInt
    simpleJSONExtractRaw simpleJSONExtractString simpleJSONExtractUInt simpleJSONHas
    simpleLinearRegression singleValueOrNull sinh sipHash128 sipHash128Keyed sipHash128Reference
    sipHash128ReferenceKeyed sipHash64 sipHash64Keyed skewPop skewSamp snowflakeIDToDateTime
    snowflakeIDToDateTime64 sparkBar sparkbar sparseGrams sparseGramsHashes
    sparseGramsHashesUTF8 sparseGramsUTF8 splitByAlpha splitByChar splitByNonAlpha splitByRegexp
    splitByString splitByWhitespace sqid sqidDecode sqidEncode startsWith
    startsWithCaseInsensitive startsWithCaseInsensitiveUTF8 startsWithUTF8 stddevPop
    stddevPopStable stddevSamp stddevSampStable stringBytesEntropy stringBytesUniq
    stringJaccardIndex stringJaccardIndexUTF8 studentTTest studentTTestOneSample subBitmap
    substringIndex substringIndexUTF8 substringUTF8 subtractDays subtractHours subtractInterval
    subtractMicroseconds subtractMilliseconds subtractMinutes subtractMonths subtractNanoseconds
    subtractQuarters subtractSeconds subtractTupleOfIntervals subtractWeeks subtractYears
    sumCount sumKahan sumMapFiltered sumMapFilteredWithOverflow sumMapWithOverflow
    sumMappedArrays sumWithOverflow tgamma theilsU timeSlot timeSlots timeZoneOf timeZoneOffset
    timestampDiff timestamp_diff timezoneOf timezoneOffset toBFloat16 toBFloat16OrNull
    toBFloat16OrZero toBool toColumnTypeName toDate toDate32 toDate32OrDefault toDate32OrNull
    toDate32OrZero toDateOrDefault toDateOrNull toDateOrZero toDateTime toDateTime32
    toDateTime64 toDateTime64OrDefault toDateTime64OrNull toDateTime64OrZero toDateTimeOrDefault
    toDateTimeOrNull toDateTimeOrZero toDayOfMonth toDayOfWeek toDayOfYear toDaysInMonth
    toDaysSinceYearZero toDecimal128 toDecimal128OrDefault toDecimal128OrNull toDecimal128OrZero
    toDecimal256 toDecimal256OrDefault toDecimal256OrNull toDecimal256OrZero toDecimal32
    toDecimal32OrDefault toDecimal32OrNull toDecimal32OrZero toDecimal64 toDecimal64OrDefault
    toDecimal64OrNull toDecimal64OrZero toFixedString toFloat32 toFloat32OrDefault
    toFloat32OrNull toFloat32OrZero toFloat64 toFloat64OrDefault toFloat64OrNull toFloat64OrZero
    toHour toIPv4 toIPv4OrDefault toIPv4OrNull toIPv4OrZero toIPv6 toIPv6OrDefault toIPv6OrNull
    toIPv6OrZero toISOWeek toISOYear toInt128 toInt128OrDefault toInt128OrNull toInt128OrZero
    toInt16 toInt16OrDefault toInt16OrNull toInt16OrZero toInt256 toInt256OrDefault
    toInt256OrNull toInt256OrZero toInt32 toInt32OrDefault toInt32OrNull toInt32OrZero toInt64
    toInt64OrDefault toInt64OrNull toInt64OrZero toInt8 toInt8OrDefault toInt8OrNull
    toInt8OrZero toInterval toIntervalDay toIntervalHour toIntervalMicrosecond
    toIntervalMillisecond toIntervalMinute toIntervalMonth toIntervalNanosecond
    toIntervalQuarter toIntervalSecond toIntervalWeek toIntervalYear toJSONString
    toLastDayOfMonth toLastDayOfWeek toLowCardinality toMicrosecond toMillisecond toMinute
    toModifiedJulianDay toModifiedJulianDayOrNull toMonday toMonth toMonthNumSinceEpoch
    toNanosecond toNullable toQuarter toRelativeDayNum toRelativeHourNum toRelativeMinuteNum
    toRelativeMonthNum toRelativeQuarterNum toRelativeSecondNum toRelativeWeekNum
    toRelativeYearNum toSecond toStartOfDay toStartOfFifteenMinutes toStartOfFiveMinute
    toStartOfFiveMinutes toStartOfHour toStartOfISOYear toStartOfInterval toStartOfMicrosecond
    toStartOfMillisecond toStartOfMinute toStartOfMonth toStartOfNanosecond toStartOfQuarter
    toStartOfSecond toStartOfTenMinutes toStartOfWeek toStartOfYear toString toStringCutToZero
    toTime toTime64 toTime64OrNull toTime64OrZero toTimeOrNull toTimeOrZero toTimeWithFixedDate
    toTimeZone toTimezone toTypeName toUInt128 toUInt128OrDefault toUInt128OrNull
    toUInt128OrZero toUInt16 toUInt16OrDefault toUInt16OrNull toUInt16OrZero toUInt256
    toUInt256OrDefault toUInt256OrNull toUInt256OrZero toUInt32 toUInt32OrDefault toUInt32OrNull
    toUInt32OrZero toUInt64 toUInt64OrDefault toUInt64OrNull toUInt64OrZero toUInt8
    toUInt8OrDefault toUInt8OrNull toUInt8OrZero toUTCTimestamp toUUID toUUIDOrDefault
    toUUIDOrNull toUUIDOrZero toUnixTimestamp toUnixTimestamp64Micro toUnixTimestamp64Milli
    toUnixTimestamp64Nano toUnixTimestamp64Second toValidUTF8 toWeek toYYYYMM toYYYYMMDD
    toYYYYMMDDhhmmss toYear toYearNumSinceEpoch toYearWeek tokens tokensForLikePattern topK
    topKWeighted topLevelDomain topLevelDomainRFC transform translate translateUTF8 trim
    trimBoth trimLeft trimRight tryBase32Decode tryBase58Decode tryBase64Decode
    tryBase64URLDecode tumble tumbleEnd tumbleStart tuple tupleConcat tupleDivide
    tupleDivideByNumber tupleElement tupleHammingDistance tupleIntDiv tupleIntDivByNumber
    tupleIntDivOrZero tupleIntDivOrZeroByNumber tupleMinus tupleModulo tupleModuloByNumber
    tupleMultiply tupleMultiplyByNumber tupleNames tupleNegate tuplePlus
    tuplePositiveModuloByNumber tupleToNameValuePairs uniq uniqCombined uniqCombined64 uniqExact
    uniqHLL12 uniqUpTo untuple upperUTF8 varPop varPopStable varSamp varSampStable
    variantElement variantType visibleWidth visitParamExtractBool visitParamExtractFloat
    visitParamExtractInt visitParamExtractRaw visitParamExtractString visitParamExtractUInt
    visitParamHas welchTTest widthBucket windowFunnel wordShingleMinHash wordShingleMinHashArg
    wordShingleMinHashArgCaseInsensitive wordShingleMinHashArgCaseInsensitiveUTF8
    wordShingleMinHashArgUTF8 wordShingleMinHashCaseInsensitive
    wordShingleMinHashCaseInsensitiveUTF8 wordShingleMinHashUTF8 wordShingleSimHash
    wordShingleSimHashCaseInsensitive wordShingleSimHashCaseInsensitiveUTF8
    wordShingleSimHashUTF8 wyHash64 xor xxHash32 xxHash64 xxHash64Spark xxh3 xxh3_128
    yandexConsistentHash yesterday
    """.split()
)

ANY_CASE: Final = frozenset(
    """
    abs acos adddate age analysisofvariance anova any_value any_value_respect_nulls
    approx_top_count approx_top_k approx_top_sum array_agg array_remove array_to_string
    arraypartialshuffle arrayshuffle ascii asin atan atan2 avg avg2 bin bit_and bit_or bit_xor
    byteslice byteswap cardinality cast ceil ceiling char char_length character_length coalesce
    concat concat_ws corr cos count countsubstrings covar_pop covar_samp crc32 crc32ieee crc64
    curdate current_date current_timestamp date date_bin date_format date_trunc datediff
    datename day dayofmonth dayofweek dayofyear degrees dense_rank distancecosine
    distancecosinetransposed distancel1 distancel2 distancel2squared distancel2transposed
    distancelinf distancelp exp factorial first_value first_value_respect_nulls firstnondefault
    flatten floor format_bytes from_base64 from_days from_unixtime from_utc_timestamp greatest
    group_concat hassubsequence hassubsequencecaseinsensitive hassubsequencecaseinsensitiveutf8
    hassubsequenceutf8 hastokencaseinsensitive hastokencaseinsensitiveornull hex hour hypot if
    ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa initcap instr isnull json_array_length
    kolmogorovsmirnovtest lag last_day last_value last_value_respect_nulls lcase lead least left
    length ln localtime localtimestamp locate log log10 log2 lower lpad makedate makedate32
    makedatetime makedatetime64 max max2 max_by microsecond mid midpoint millisecond min min2
    min_by minute mod modornull month monthname nanosecond natural_sort_key normalizel1
    normalizel2 normalizelinf normalizelp norml1 norml2 norml2squared normlinf normlp not now
    now64 nth_value ntile nullif octet_length overlay percent_rank pi pmod pmodornull position
    positive_modulo positive_modulo_or_null positivemodulo positivemoduloornull pow power
    quarter radians rand rank regexp_extract regexp_instr regexp_matches regexp_replace
    regexp_substr regexpinstr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
    regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number rpad scalarproduct
    scalarproducttransposed second sign sin soundex space sqr sqrt std stddev stddev_pop
    stddev_samp str_to_date str_to_map string_agg subdate substr substring substring_index sum
    tan tanh time_bucket timediff timestamp timezone to_base64 to_days to_unixtime
    to_utc_timestamp today todecimalstring trunc truncate ucase unbin unhex unnest upper
    utc_timestamp utctimestamp var_pop var_samp vectordifference vectorsum week width_bucket
    year yearweek yyyymmddhhmmsstodatetime yyyymmddtodate yyyymmddtodate32
    """.split()
)

AGGREGATES: Final = frozenset(
    """
    BIT_AND BIT_OR BIT_XOR COVAR_POP COVAR_SAMP STD STDDEV STDDEV_POP STDDEV_SAMP VAR_POP
    VAR_SAMP analysisOfVariance anova any anyHeavy anyLast anyLastRespectNulls
    anyLast_respect_nulls anyRespectNulls anyValueRespectNulls any_respect_nulls any_value
    any_value_respect_nulls approx_top_count approx_top_k approx_top_sum argAndMax argAndMin
    argMax argMin array_agg avg avgWeighted boundingRatio categoricalInformationValue
    contingency corr corrMatrix corrStable count covarPop covarPopMatrix covarPopStable
    covarSamp covarSampMatrix covarSampStable cramersV cramersVBiasCorrected cume_dist deltaSum
    deltaSumTimestamp denseRank dense_rank distinctDynamicTypes distinctJSONPaths
    distinctJSONPathsAndTypes entropy exponentialMovingAverage exponentialTimeDecayedAvg
    exponentialTimeDecayedCount exponentialTimeDecayedMax exponentialTimeDecayedSum
    firstValueRespectNulls first_value first_value_respect_nulls gini groupArray
    groupArrayInsertAt groupArrayIntersect groupArrayLast groupArrayMovingAvg
    groupArrayMovingSum groupArraySample groupArraySorted groupBitAnd groupBitOr groupBitXor
    groupBitmap groupBitmapAnd groupBitmapOr groupBitmapXor groupConcat
    groupNumericIndexedVector groupUniqArray group_concat histogram intervalLengthSum
    kolmogorovSmirnovTest kurtPop kurtSamp lag lagInFrame largestTriangleThreeBuckets
    lastValueRespectNulls last_value last_value_respect_nulls lead leadInFrame lttb
    mannWhitneyUTest max maxIntersections maxIntersectionsPosition maxMappedArrays max_by
    meanZTest median medianBFloat16 medianBFloat16Weighted medianDD medianDeterministic
    medianExact medianExactHigh medianExactLow medianExactWeighted
    medianExactWeightedInterpolated medianGK medianInterpolatedWeighted medianTDigest
    medianTDigestWeighted medianTiming medianTimingWeighted mergedJSONPatch min minMappedArrays
    min_by nonNegativeDerivative nothing nothingNull nothingUInt64 nth_value ntile percentRank
    percent_rank quantile quantileBFloat16 quantileBFloat16Weighted quantileDD
    quantileDeterministic quantileExact quantileExactExclusive quantileExactHigh
    quantileExactInclusive quantileExactLow quantileExactWeighted
    quantileExactWeightedInterpolated quantileGK quantileInterpolatedWeighted
    quantilePrometheusHistogram quantileTDigest quantileTDigestWeighted quantileTiming
    quantileTimingWeighted quantiles quantilesBFloat16 quantilesBFloat16Weighted quantilesDD
    quantilesDeterministic quantilesExact quantilesExactExclusive quantilesExactHigh
    quantilesExactInclusive quantilesExactLow quantilesExactWeighted
    quantilesExactWeightedInterpolated quantilesGK quantilesInterpolatedWeighted
    quantilesPrometheusHistogram quantilesTDigest quantilesTDigestWeighted quantilesTiming
    quantilesTimingWeighted rank rankCorr regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy retention row_number sequenceCount sequenceMatch
    sequenceMatchEvents sequenceNextNode simpleLinearRegression singleValueOrNull skewPop
    skewSamp sparkBar sparkbar stddevPop stddevPopStable stddevSamp stddevSampStable string_agg
    studentTTest studentTTestOneSample sum sumCount sumKahan sumMapFiltered
    sumMapFilteredWithOverflow sumMapWithOverflow sumMappedArrays sumWithOverflow theilsU topK
    topKWeighted uniq uniqCombined uniqCombined64 uniqExact uniqHLL12 uniqUpTo varPop
    varPopStable varSamp varSampStable welchTTest windowFunnel
    """.split()
)

HIGHER_ORDER: Final = frozenset(
    """
    arrayall arrayavg arraybottomk arraycompact arraycount arraycumsum arraycumsumnonnegative
    arraydifference arrayexists arrayfill arrayfilter arrayfirst arrayfirstindex
    arrayfirstornull arrayfold arraylast arraylastindex arraylastornull arraymap arraymax
    arraymin arraypartialreversesort arraypartialsort arrayproduct arrayreversefill
    arrayreversesort arrayreversesplit arraysort arraysplit arraysum arraytopk mapall mapapply
    mapexists mapfilter mappartialreversesort mappartialsort mapreversesort mapsort
    """.split()
)

COMBINATORS: Final = tuple(
    """
    SimpleState OrDefault Resample Distinct ForEach OrNull ArgMin ArgMax Array State Merge
Tuple Map If
    """.split()
)
