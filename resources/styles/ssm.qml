<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<!-- Soil moisture maps of Loam in QGIS: band 1, 0 (dry, brown) to 1 (wet, blue). Copied beside every map. -->
<qgis version="3.28.0" hasScaleBasedVisibilityFlag="0" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1" nodataColor="" classificationMin="0" classificationMax="1">
      <rasterTransparency/>
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" minimumValue="0" maximumValue="1" labelPrecision="1">
          <item alpha="255" color="#8c510a" label="0.0" value="0.0"/>
          <item alpha="255" color="#d8b365" label="0.2" value="0.2"/>
          <item alpha="255" color="#f5ebc8" label="0.4" value="0.4"/>
          <item alpha="255" color="#8cc5e3" label="0.6" value="0.6"/>
          <item alpha="255" color="#2c7fb8" label="0.8" value="0.8"/>
          <item alpha="255" color="#08306b" label="1.0" value="1.0"/>
        </colorrampshader>
      </rastershader>
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation saturation="0" grayscaleMode="0" colorizeOn="0"/>
    <rasterresampler zoomedInResampler="nearestneighbour" zoomedOutResampler="nearestneighbour" maxOversampling="2"/>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
